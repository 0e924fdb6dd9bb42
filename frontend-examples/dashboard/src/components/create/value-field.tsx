/** Controls for a value of each LwM2M type: one, several by id, or a whole instance. */

import type { ReactNode } from "react";

import type { ValueType } from "../../api/generated";
import { utcTime } from "../../times";
import { type ControlProps, Field } from "../field";
import { type Draft, type Row, typeOf, valueForm } from "./draft";
import { nodeTemplate, type Objects, parsePath, type Resource, resourceAt } from "./models";
import { VALUE_TYPES } from "./values";

interface Props {
  /** GraphQL path of the input field, such as "values.0.value". */
  name: string;
  draft: Draft;
  row: Row;
  objects: Objects;
  onChange: (change: Partial<Row>) => void;
}

export function ValueField({ name, draft, row, objects, onChange }: Props): ReactNode {
  const resource = resourceAt(row.path, objects);
  const type = typeOf(row, objects);
  const form = valueForm(draft.kind, row.path, objects);
  if (form === "node")
    return <NodeField name={name} row={row} objects={objects} onChange={onChange} optional={draft.kind === "CREATE"} />;
  return (
    <div className="value-field">
      {!resource?.type && (
        <label>
          Type
          <select value={row.type} onChange={(event) => onChange({ type: event.target.value as ValueType })}>
            {VALUE_TYPES.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      )}
      {form === "single" ? (
        <Field name={name} label="Value" hint={valueHint(type, row.text, resource)}>
          {(control) => <Single control={control} type={type} text={row.text} onChange={(text) => onChange({ text })} />}
        </Field>
      ) : (
        <Instances name={name} row={row} type={type} resource={resource} onChange={onChange} />
      )}
    </div>
  );
}

const PLACEHOLDERS: Partial<Record<ValueType, string>> = {
  OPAQUE: "00ff10",
  OBJLNK: "3303:0",
  CORELINK: "</3/0>",
  FLOAT: "21.5",
};

function Single({
  control,
  type,
  text,
  onChange,
}: {
  control: ControlProps;
  type: ValueType;
  text: string;
  onChange: (text: string) => void;
}): ReactNode {
  if (type === "BOOLEAN") {
    return (
      <select {...control} value={text} onChange={(event) => onChange(event.target.value)}>
        <option value="">Choose…</option>
        <option>true</option>
        <option>false</option>
      </select>
    );
  }
  const isNumber = type === "INTEGER" || type === "UNSIGNED_INTEGER";
  return (
    <input
      {...control}
      {...(type === "TIME" ? { type: "datetime-local", step: 1 } : { type: "text", placeholder: PLACEHOLDERS[type] })}
      inputMode={isNumber ? "numeric" : type === "FLOAT" ? "decimal" : undefined}
      autoComplete="off"
      spellCheck={false}
      value={text}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

/** Type, range and units in one line; of a time also the time in UTC. */
function valueHint(type: ValueType, text: string, resource: Resource | undefined): string {
  const parts: string[] = [type];
  if (resource?.range) parts.push(type === "STRING" || type === "OPAQUE" ? `length ${resource.range}` : `range ${resource.range}`);
  if (resource?.units) parts.push(`in ${resource.units}`);
  if (type === "TIME") parts.push("local time");
  if (type === "TIME" && !Number.isNaN(Date.parse(text))) parts.push(utcTime(text));
  return parts.join(", ");
}

function Instances({
  name,
  row,
  type,
  resource,
  onChange,
}: {
  name: string;
  row: Row;
  type: ValueType;
  resource: Resource | undefined;
  onChange: (change: Partial<Row>) => void;
}): ReactNode {
  const { instances } = row;
  function change(index: number, changed: Partial<Row["instances"][number]>) {
    onChange({ instances: instances.map((one, at) => (at === index ? { ...one, ...changed } : one)) });
  }
  const next = String(Math.max(-1, ...instances.map(({ id }) => Number(id) || 0)) + 1);
  return (
    <fieldset className="rows">
      <legend>Values by id</legend>
      <p className="muted">{valueHint(type, "", resource)}. Without any, the resource is cleared.</p>
      {instances.map(({ id, text }, index) => (
        <div className="instance-row" key={index}>
          <Field name={`${name}.multiple.${index}.id`} label="Id">
            {(control) => (
              <input
                {...control}
                inputMode="numeric"
                value={id}
                onChange={(event) => change(index, { id: event.target.value })}
              />
            )}
          </Field>
          <Field name={`${name}.multiple.${index}.value`} label="Value">
            {(control) => (
              <Single control={control} type={type} text={text} onChange={(value) => change(index, { text: value })} />
            )}
          </Field>
          <button
            type="button"
            className="quiet"
            aria-label={`Remove the value with id ${id}`}
            onClick={() => onChange({ instances: instances.filter((_, at) => at !== index) })}
          >
            Remove
          </button>
        </div>
      ))}
      <button type="button" onClick={() => onChange({ instances: [...instances, { id: next, text: "" }] })}>
        Add a value
      </button>
    </fieldset>
  );
}

function NodeField({
  name,
  row,
  objects,
  onChange,
  optional,
}: {
  name: string;
  row: Row;
  objects: Objects;
  onChange: (change: Partial<Row>) => void;
  optional: boolean;
}): ReactNode {
  const model = objects.get(parsePath(row.path)?.[0] ?? -1)?.model;
  return (
    <div className="node-field">
      <Field
        name={name}
        label="Instance as JSON, in Leshan's node form"
        hint={optional && "Empty: the device sets all resources itself."}
      >
        {(control) => (
          <textarea
            {...control}
            className="mono"
            rows={7}
            spellCheck={false}
            value={row.text}
            onChange={(event) => onChange({ text: event.target.value })}
          />
        )}
      </Field>
      {model && (
        <button type="button" onClick={() => onChange({ text: nodeTemplate(model) })}>
          Fill in the resources of {model.name}
        </button>
      )}
    </div>
  );
}
