/** The options of an operation that most do not need. */

import type { ReactNode } from "react";

import { utcTime } from "../../times";
import { Field } from "../field";
import type { Draft } from "./draft";
import { ATTRIBUTES, isWhole } from "./kinds";

const FORMATS = ["TLV", "SENML_JSON", "SENML_CBOR", "CBOR", "JSON", "TEXT", "OPAQUE"];
const NUMBERS = [
  { name: "priority", label: "Priority", placeholder: "0", min: -100, max: 100 },
  { name: "maxAttempts", label: "Maximum attempts", placeholder: "default", min: 1, max: 100 },
  { name: "ttlSeconds", label: "Expires after (s)", placeholder: "never", min: 1 },
  { name: "timeoutSeconds", label: "Timeout of a call (s)", placeholder: "default", min: 1, max: 600 },
];

interface Props {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

export function OptionFields({ draft, onChange }: Props): ReactNode {
  const { kind, options } = draft;
  const set = (name: string) => (event: { target: { value: string } }) =>
    onChange({ options: { ...options, [name]: event.target.value } });
  const value = (name: string) => options[name] ?? "";
  const at = value("notBefore");
  return (
    <details className="options">
      <summary>Options</summary>
      <div className="option-grid">
        {NUMBERS.map(({ name, label, ...limits }) => (
          <Field key={name} name={name} label={label}>
            {(control) => <input {...control} {...limits} type="number" value={value(name)} onChange={set(name)} />}
          </Field>
        ))}
        <Field name="notBefore" label="Not before" hint={at && !Number.isNaN(Date.parse(at)) ? utcTime(at) : undefined}>
          {(control) => <input {...control} type="datetime-local" step={1} value={at} onChange={set("notBefore")} />}
        </Field>
        <Field name="sequence" label="Sequence">
          {(control) => (
            <input
              {...control}
              value={value("sequence")}
              placeholder="none"
              maxLength={255}
              autoComplete="off"
              onChange={set("sequence")}
            />
          )}
        </Field>
        <Field name="repeatable" label="Repeatable">
          {(control) => (
            <select {...control} value={value("repeatable")} onChange={set("repeatable")}>
              <option value="">By kind</option>
              <option value="true">Yes</option>
              <option value="false">No</option>
            </select>
          )}
        </Field>
        <Field name="format" label="Format">
          {(control) => (
            <select {...control} value={value("format")} onChange={set("format")}>
              <option value="">Best of the device</option>
              {FORMATS.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {kind === "WRITE" && (
        <>
          <Check
            name="replace"
            label="Replace the whole instance or resource"
            checked={draft.replace}
            onChange={(replace) => onChange({ replace })}
          />
          <Check
            name="supersede"
            label="Cancel older queued writes to the same path"
            checked={draft.supersede}
            onChange={(supersede) => onChange({ supersede })}
          />
        </>
      )}
      {(kind === "WRITE" || kind === "CREATE" || kind === "WRITE_COMPOSITE") && (
        <Check
          name="validateRange"
          label="Refuse values outside of the range"
          checked={draft.validateRange}
          onChange={(validateRange) => onChange({ validateRange })}
        />
      )}
    </details>
  );
}

function Check({
  name,
  label,
  checked,
  onChange,
}: {
  name: string;
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}): ReactNode {
  return (
    <Field name={name} label={label}>
      {(control) => <input {...control} type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />}
    </Field>
  );
}

export function AttributeFields({ draft, onChange }: Props): ReactNode {
  const { attributes } = draft;
  return (
    <fieldset className="option-grid">
      <legend>Attributes</legend>
      {ATTRIBUTES.map((name) => (
        <Field key={name} name={`attributes.${name}`} label={isWhole(name) ? `${name} (s)` : name}>
          {(control) => (
            <input
              {...control}
              inputMode="decimal"
              value={attributes[name] ?? ""}
              onChange={(event) => onChange({ attributes: { ...attributes, [name]: event.target.value } })}
            />
          )}
        </Field>
      ))}
    </fieldset>
  );
}
