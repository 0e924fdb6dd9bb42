/** Every filter of the API for endpoints. */

import { type ReactNode, useEffect, useRef, useState } from "react";

import type { Presence } from "../api/generated";
import { type EndpointSearch, setFields } from "../filters";
import { PRESENCES } from "../words";
import { onEnter, TextFilter, TimeFilter } from "./filter-fields";
import { Filters } from "./filters";
import { Foreign } from "./text";

const SEARCH_DELAY_MS = 250;
const MORE = ["objectId", "lastSeenAfter", "lastSeenBefore"] as const;

interface Props {
  filter: EndpointSearch;
  /** Called with the change of the latest filter, which may be newer than `filter`: leaving a text changes it before a click does. */
  onChange: (change: (latest: EndpointSearch) => EndpointSearch) => void;
}

export function EndpointFilters({ filter, onChange }: Props): ReactNode {
  const { presences, tags } = filter;
  const change = (changed: EndpointSearch) => onChange((latest) => setFields({ ...latest, ...changed }));
  function togglePresence(presence: Presence) {
    const chosen = PRESENCES.filter((one) => (presences?.includes(one) ?? false) !== (one === presence));
    change({ presences: chosen.length ? chosen : undefined });
  }
  return (
    <Filters
      set={Object.keys(filter)}
      moreNames={MORE}
      onReset={() => onChange(() => ({}))}
      more={
        <>
          <TextFilter
            label="Object id"
            type="number"
            min={0}
            max={65_535}
            value={filter.objectId === undefined ? undefined : String(filter.objectId)}
            onChange={(text) => change({ objectId: text && /^\d+$/.test(text) ? Number(text) : undefined })}
          />
          <TimeFilter
            label="Seen after"
            value={filter.lastSeenAfter ?? undefined}
            onChange={(lastSeenAfter) => change({ lastSeenAfter })}
          />
          <TimeFilter
            label="Seen before"
            value={filter.lastSeenBefore ?? undefined}
            onChange={(lastSeenBefore) => change({ lastSeenBefore })}
          />
        </>
      }
    >
      <NameSearch value={filter.nameContains ?? ""} onChange={(text) => change({ nameContains: text || undefined })} />
      <div className="toggles" role="group" aria-label="Presence">
        {PRESENCES.map((one) => (
          <Toggle key={one} on={presences?.includes(one) ?? false} onClick={() => togglePresence(one)}>
            {one}
          </Toggle>
        ))}
      </div>
      <div className="toggles" role="group" aria-label="State">
        <YesToggle value={filter.overdue} yes="Overdue" no="Not overdue" onChange={(overdue) => change({ overdue })} />
        <YesToggle
          value={filter.hasPending}
          yes="Pending operations"
          no="Nothing pending"
          onChange={(hasPending) => change({ hasPending })}
        />
      </div>
      <TagFilter tags={tags ?? []} onChange={(next) => change({ tags: next.length ? next : undefined })} />
    </Filters>
  );
}

function NameSearch({ value, onChange }: { value: string; onChange: (text: string) => void }): ReactNode {
  const [draft, setDraft] = useState(value);
  const sent = useRef(value);
  const current = useRef(onChange);
  current.current = onChange;
  useEffect(() => {
    if (value !== sent.current) setDraft(value); // the address was changed by something else
    sent.current = value;
  }, [value]);
  useEffect(() => {
    if (draft === sent.current) return;
    const timer = setTimeout(() => send(draft), SEARCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  function send(text: string) {
    if (text === sent.current) return;
    sent.current = text;
    current.current(text);
  }
  return (
    <label>
      Name contains
      <input
        type="search"
        size={22}
        value={draft}
        maxLength={255}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => send(draft)} // at once: what follows acts on the filter
        onKeyDown={onEnter(() => send(draft))}
      />
    </label>
  );
}

function TagFilter({ tags, onChange }: { tags: readonly string[]; onChange: (tags: string[]) => void }): ReactNode {
  const [draft, setDraft] = useState("");
  function add() {
    const tag = draft.trim();
    setDraft("");
    if (tag && !tags.includes(tag)) onChange([...tags, tag]);
  }
  return (
    <div className="tag-filter">
      <label>
        Tag
        <input
          size={14}
          value={draft}
          maxLength={100}
          placeholder="site:north"
          autoComplete="off"
          onChange={(event) => setDraft(event.target.value)}
          onBlur={add}
          onKeyDown={onEnter(add)}
        />
      </label>
      {tags.map((tag) => (
        <button key={tag} type="button" className="chip on" onClick={() => onChange(tags.filter((one) => one !== tag))}>
          <span className="visually-hidden">Remove the filter by tag </span>
          <Foreign text={tag} /> <span aria-hidden="true">×</span>
        </button>
      ))}
    </div>
  );
}

function Toggle({ on, onClick, children }: { on: boolean; onClick: () => void; children: ReactNode }): ReactNode {
  return (
    <button type="button" className="toggle" aria-pressed={on} onClick={onClick}>
      {children}
    </button>
  );
}

interface YesToggleProps {
  value: boolean | null | undefined;
  yes: string;
  no: string;
  onChange: (value: boolean | undefined) => void;
}

/** Either of two values, or none: pressed if one is set. The address may set the second one. */
function YesToggle({ value, yes, no, onChange }: YesToggleProps): ReactNode {
  const isSet = value === true || value === false;
  return (
    <Toggle on={isSet} onClick={() => onChange(isSet ? undefined : true)}>
      {value === false ? no : yes}
    </Toggle>
  );
}
