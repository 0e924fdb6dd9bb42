/** The form for a new campaign. */

import { type ReactNode, useRef, useState } from "react";

import {
  CreateCampaignDocument,
  type DeviceOperationTemplateInput,
  EndpointCountDocument,
  type PackageFragment,
  PackagesDocument,
} from "../../api/generated";
import { useLive } from "../../api/live";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { type Draft, inputOf, newDraft } from "../../components/create/draft";
import { DraftFields } from "../../components/create/draft-fields";
import { danger } from "../../components/create/kinds";
import { useObjects } from "../../components/create/use-objects";
import { EndpointChoice } from "../../components/endpoint-choice";
import { Field, TextField } from "../../components/field";
import { TimeFilter } from "../../components/filter-fields";
import { FormDialog, useQuestion } from "../../components/form-dialog";
import { MethodField } from "../../components/method-field";
import { toast } from "../../components/toasts";
import { operationTitle, plural } from "../../words";
import { type CampaignDraft, campaignInput, newCampaign } from "./campaign-draft";
import { WaveFields } from "./wave-fields";

interface Props {
  packageId: string | undefined;
  onCreated: (id: string) => void;
  onClose: () => void;
}

export function CampaignForm({ packageId, onCreated, onClose }: Props): ReactNode {
  const run = useRun();
  const created = useRef("");
  const [draft, setDraft] = useState(() => newCampaign(packageId));
  const [operation, setOperation] = useState<Draft>(() => newDraft("WRITE", ""));
  const packages = useLive(PackagesDocument, {}).data?.firmwarePackages ?? [];
  // A package without an address can only be pushed.
  const method = packages.some(({ id, uri }) => id === draft.packageId && uri === null) ? "PUSH" : draft.method;
  const { ask, question } = useQuestion();
  const objects = useObjects(
    draft.filter,
    false,
    operation.rows.map(({ path }) => path),
  );
  const change = (changed: Partial<CampaignDraft>) => setDraft((old) => ({ ...old, ...changed }));

  async function submit(): Promise<Problem | undefined> {
    const operations: DeviceOperationTemplateInput[] = [];
    if (draft.work === "operations") {
      const { input, problem } = inputOf(operation, objects);
      if (problem) return problem;
      const counted = await run(EndpointCountDocument, { filter: draft.filter });
      if (counted.problem) return counted.problem;
      if (!(await isMeant(input, counted.data.endpointCount ?? 0))) return undefined;
      operations.push(input);
    }
    const { data, problem } = await run(CreateCampaignDocument, { input: campaignInput({ ...draft, method }, operations) });
    const id = data?.createCampaign?.id;
    if (!id) return problem && { ...problem, ...(problem.field && { field: problem.field.replace(/operations\.\d+\./, "") }) };
    toast(`The campaign ${draft.name} is created.`);
    created.current = id;
    return undefined;
  }

  /** Whether the viewer wants what cannot be undone on the `count` devices; true for all else. */
  async function isMeant(input: DeviceOperationTemplateInput, count: number): Promise<boolean> {
    const effect = danger(input, draft.continuous ? Infinity : count);
    if (!effect) return true;
    const title = `${operationTitle({ kind: operation.kind, path: input.path ?? null, paths: [] })}?`;
    const children = (
      <p>
        <strong>
          {plural(count, "endpoint")}
          {draft.continuous && " now, and those that match later"}.
        </strong>{" "}
        {effect}
      </p>
    );
    return ask({ title, action: "Create the campaign", children });
  }

  return (
    <>
      <FormDialog
        title="New campaign"
        action="Create"
        wide
        onSubmit={submit}
        onDone={() => created.current && onCreated(created.current)}
        onClose={onClose}
      >
        <TextField name="name" label="Name" value={draft.name} onChange={(text) => change({ name: text })} />
        <EndpointChoice
          filter={draft.filter}
          onChange={(changed) => setDraft((old) => ({ ...old, filter: changed(old.filter) }))}
        />
        <label className="inline">
          <input type="checkbox" checked={draft.continuous} onChange={(event) => change({ continuous: event.target.checked })} />
          Continuous: endpoints that match later join while it runs
        </label>
        <fieldset className="rows">
          <legend>Work</legend>
          <label className="inline">
            <input type="radio" name="work" checked={draft.work === "firmware"} onChange={() => change({ work: "firmware" })} />A
            firmware update
          </label>
          <label className="inline">
            <input
              type="radio"
              name="work"
              checked={draft.work === "operations"}
              onChange={() => change({ work: "operations" })}
            />
            An operation
          </label>
          {draft.work === "firmware" ? (
            <FirmwareFields packages={packages} draft={{ ...draft, method }} onChange={change} />
          ) : (
            <DraftFields
              draft={operation}
              objects={objects}
              onChange={(changed) => setOperation((old) => ({ ...old, ...changed }))}
            />
          )}
        </fieldset>
        <WaveFields waves={draft.waves} onChange={(waves) => change({ waves })} />
        <LimitFields draft={draft} onChange={change} />
        <TimeFields draft={draft} onChange={change} />
      </FormDialog>
      {question}
    </>
  );
}

interface FieldsProps {
  draft: CampaignDraft;
  onChange: (changed: Partial<CampaignDraft>) => void;
}

function FirmwareFields({ packages, draft, onChange }: FieldsProps & { packages: readonly PackageFragment[] }): ReactNode {
  const chosen = packages.find(({ id }) => id === draft.packageId);
  return (
    <div className="columns">
      <Field name="firmware.packageId" label="Package">
        {(control) => (
          <select {...control} value={draft.packageId} required onChange={(event) => onChange({ packageId: event.target.value })}>
            <option value="">Choose…</option>
            {packages.map(({ id, name, version }) => (
              <option key={id} value={id}>
                {name} {version}
              </option>
            ))}
          </select>
        )}
      </Field>
      <MethodField method={draft.method} canPull={chosen?.uri !== null} onChange={(method) => onChange({ method })} />
    </div>
  );
}

function LimitFields({ draft, onChange }: FieldsProps): ReactNode {
  return (
    <fieldset className="rows">
      <legend>Limits</legend>
      <div className="option-grid">
        <NumberField name="startsPerMinute" label="Starts per minute" draft={draft} onChange={onChange} />
        <NumberField name="maxRunning" label="Running at a time" draft={draft} onChange={onChange} />
        <NumberField name="retries" label="Retries per target" draft={draft} onChange={onChange} />
        <NumberField
          name="failurePercent"
          field="abort.failurePercent"
          label="Abort at % failed"
          draft={draft}
          onChange={onChange}
        />
        <NumberField name="minEnded" field="abort.minEnded" label="… once this many ended" draft={draft} onChange={onChange} />
      </div>
    </fieldset>
  );
}

interface NumberFieldProps extends FieldsProps {
  name: "startsPerMinute" | "maxRunning" | "retries" | "failurePercent" | "minEnded";
  /** GraphQL path of the input field, if it is not the name. */
  field?: string;
  label: string;
}

function NumberField({ name, field = name, label, draft, onChange }: NumberFieldProps): ReactNode {
  return (
    <Field name={field} label={label}>
      {(control) => (
        <input
          {...control}
          type="number"
          min={0}
          step={name === "failurePercent" ? "any" : 1}
          placeholder="no limit"
          value={draft[name]}
          onChange={(event) => onChange({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
}

function TimeFields({ draft, onChange }: FieldsProps): ReactNode {
  return (
    <details>
      <summary>Times</summary>
      <div className="option-grid">
        <TimeFilter label="Start (default: now)" value={draft.startAt} onChange={(startAt) => onChange({ startAt })} />
        <TimeFilter label="End (what has not begun is skipped)" value={draft.endAt} onChange={(endAt) => onChange({ endAt })} />
        <Field name="window.from" label="Daily from">
          {(control) => (
            <input
              {...control}
              type="time"
              value={draft.windowFrom}
              onChange={(event) => onChange({ windowFrom: event.target.value })}
            />
          )}
        </Field>
        <Field name="window.to" label="Daily to">
          {(control) => (
            <input
              {...control}
              type="time"
              value={draft.windowTo}
              onChange={(event) => onChange({ windowTo: event.target.value })}
            />
          )}
        </Field>
        <Field name="window.timeZone" label="Time zone">
          {(control) => (
            <input {...control} value={draft.timeZone} onChange={(event) => onChange({ timeZone: event.target.value })} />
          )}
        </Field>
      </div>
    </details>
  );
}
