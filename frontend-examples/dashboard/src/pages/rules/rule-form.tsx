/** The form for a new or a changed observation rule. */

import { type ReactNode, useState } from "react";

import {
  type AttributesInput,
  CreateRuleDocument,
  type ObservationRuleInput,
  type RuleFragment,
  UpdateRuleDocument,
} from "../../api/generated";
import { useRun } from "../../api/run";
import { type Attribute, ATTRIBUTES, isWhole } from "../../components/create/kinds";
import { EndpointChoice } from "../../components/endpoint-choice";
import { Field, TextField } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { toast } from "../../components/toasts";
import { CanceledObservations } from "./canceled-observations";

interface Props {
  /** The rule to change, with its input. Default: a new one. */
  rule?: RuleFragment;
  input?: ObservationRuleInput;
  onDone: () => void;
  onClose: () => void;
}

const EMPTY: ObservationRuleInput = { name: "", filter: {}, enabled: true, composite: false };

const linesOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
const textOf = (paths: readonly string[] | null | undefined): string => (paths ?? []).join("\n");

export function RuleForm({ rule, input = EMPTY, onDone, onClose }: Props): ReactNode {
  const run = useRun();
  const [draft, setDraft] = useState(input);
  const [paths, setPaths] = useState(textOf(input.paths));
  const [readPaths, setReadPaths] = useState(textOf(input.readPaths));
  const isDisabled = rule?.enabled === true && draft.enabled === false;
  const change = (changed: Partial<ObservationRuleInput>) => setDraft((old) => ({ ...old, ...changed }));

  async function submit() {
    const complete = { ...draft, paths: linesOf(paths), readPaths: linesOf(readPaths) };
    const { problem } = rule
      ? await run(UpdateRuleDocument, { id: rule.id, input: complete })
      : await run(CreateRuleDocument, { input: complete });
    if (problem) return problem;
    toast(`${draft.name} is ${rule ? "changed" : "created"}.`);
    onDone();
    return undefined;
  }

  return (
    <FormDialog
      wide
      title={rule ? `Change ${rule.name}` : "New rule"}
      action={isDisabled ? "Change and disable" : rule ? "Change" : "Create"}
      danger={isDisabled}
      onSubmit={submit}
      onClose={onClose}
    >
      <TextField name="name" label="Name" value={draft.name} onChange={(text) => change({ name: text })} />
      <EndpointChoice
        filter={draft.filter}
        onChange={(changed) => setDraft((old) => ({ ...old, filter: changed(old.filter ?? {}) }))}
      />
      <div className="columns">
        <Field name="paths" label="Paths to observe" hint="One per line; * stands for every instance: /3303/*/5700">
          {(control) => (
            <textarea
              {...control}
              className="mono"
              rows={4}
              value={paths}
              spellCheck={false}
              onChange={(event) => setPaths(event.target.value)}
            />
          )}
        </Field>
        <Field name="readPaths" label="Paths to read at every registration" hint="One per line">
          {(control) => (
            <textarea
              {...control}
              className="mono"
              rows={4}
              value={readPaths}
              spellCheck={false}
              onChange={(event) => setReadPaths(event.target.value)}
            />
          )}
        </Field>
      </div>
      <label className="inline">
        <input
          type="checkbox"
          checked={draft.composite ?? false}
          onChange={(event) => change({ composite: event.target.checked })}
        />
        One composite observation of all paths (LwM2M 1.1)
      </label>
      <Attributes attributes={draft.attributes ?? {}} onChange={(attributes) => change({ attributes })} />
      <label className="inline">
        <input type="checkbox" checked={draft.enabled ?? true} onChange={(event) => change({ enabled: event.target.checked })} />
        Enabled
      </label>
      {isDisabled && <CanceledObservations rule={rule} />}
    </FormDialog>
  );
}

function Attributes({
  attributes,
  onChange,
}: {
  attributes: AttributesInput;
  onChange: (attributes: AttributesInput | null) => void;
}): ReactNode {
  function change(name: Attribute, text: string) {
    const next = { ...attributes, [name]: text === "" ? undefined : Number(text) };
    onChange(Object.values(next).some((value) => value !== undefined && value !== null) ? next : null);
  }
  return (
    <details>
      <summary>Notification attributes</summary>
      <div className="option-grid">
        {ATTRIBUTES.map((name) => (
          <Field key={name} name={`attributes.${name}`} label={name}>
            {(control) => (
              <input
                {...control}
                type="number"
                step={isWhole(name) ? 1 : "any"}
                value={attributes[name] ?? ""}
                onChange={(event) => change(name, event.target.value)}
              />
            )}
          </Field>
        ))}
      </div>
    </details>
  );
}
