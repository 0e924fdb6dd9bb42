/** Controls of filters. Their values may be changed by something else, as by the back button. */

import { type InputHTMLAttributes, type KeyboardEvent, type ReactNode, useEffect, useId, useState } from "react";

import { inputTime, instantOf } from "../times";

/** Do something on Enter, which must not submit the form around the filter: it would send the filter of before. */
export const onEnter = (complete: () => void) => (event: KeyboardEvent) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  complete();
};

interface TextFilterProps extends Pick<
  InputHTMLAttributes<HTMLInputElement>,
  "placeholder" | "maxLength" | "size" | "type" | "min" | "max"
> {
  label: string;
  value: string | undefined;
  invalid?: boolean;
  /** Called when the text is complete: on Enter, and when the focus leaves. */
  onChange: (value: string | undefined) => void;
}

export function TextFilter({ label, value = "", invalid = false, onChange, ...more }: TextFilterProps): ReactNode {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const complete = () => {
    if (draft !== value) onChange(draft || undefined);
  };
  return (
    <label>
      {label}
      <input
        {...more}
        value={draft}
        aria-invalid={invalid || undefined}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={complete}
        onKeyDown={onEnter(complete)}
      />
    </label>
  );
}

interface TimeFilterProps {
  label: string;
  /** ISO 8601. */
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** A time in the viewer's time zone. */
export function TimeFilter({ label, value, onChange }: TimeFilterProps): ReactNode {
  const shown = inputTime(value);
  const [draft, setDraft] = useState(shown);
  useEffect(() => setDraft(shown), [shown]);
  const complete = () => {
    if (draft !== shown) onChange(instantOf(draft));
  };
  return (
    <label>
      {label}
      <input
        type="datetime-local"
        step={1}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={complete}
        onKeyDown={onEnter(complete)}
      />
    </label>
  );
}

interface ChoiceFilterProps<Value extends string> {
  label: string;
  options: readonly Value[];
  value: readonly Value[] | undefined;
  onChange: (value: Value[] | undefined) => void;
}

/** Any of several values, as checkboxes in a popover. */
export function ChoiceFilter<Value extends string>({
  label,
  options,
  value = [],
  onChange,
}: ChoiceFilterProps<Value>): ReactNode {
  const id = useId();
  function toggle(option: Value, checked: boolean) {
    const chosen = options.filter((one) => (one === option ? checked : value.includes(one)));
    onChange(chosen.length ? chosen : undefined);
  }
  const text = value.length > 1 ? `${value[0]} +${value.length - 1}` : (value[0] ?? "any");
  const anchor = `--${id.replace(/\W/g, "")}`;
  return (
    <div className="choice">
      <span aria-hidden="true">{label}</span>
      <button type="button" popoverTarget={id} style={{ anchorName: anchor } as React.CSSProperties} title={value.join(", ")}>
        <span className="visually-hidden">{label}: </span>
        {text}
      </button>
      <div
        id={id}
        popover="auto"
        role="group"
        aria-label={label}
        className="choices"
        style={{ positionAnchor: anchor } as React.CSSProperties}
      >
        {options.map((option) => (
          <label key={option} className="inline">
            <input type="checkbox" checked={value.includes(option)} onChange={(event) => toggle(option, event.target.checked)} />
            {option}
          </label>
        ))}
      </div>
    </div>
  );
}
