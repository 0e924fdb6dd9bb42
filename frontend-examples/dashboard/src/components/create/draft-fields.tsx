/** The fields of an operation: kind, paths, values, arguments, attributes, options. */

import type { ReactNode } from "react";

import type { OperationKind } from "../../api/generated";
import { KINDS } from "../../operation-rules";
import { Field } from "../field";
import { type Draft, hasValue, newRow, type Row } from "./draft";
import { KIND_FIELDS, kindFor, operationsText, refusal } from "./kinds";
import { type Objects, resourceAt } from "./models";
import { AttributeFields, OptionFields } from "./options-fields";
import { PathField, Refusal } from "./path-field";
import { ValueField } from "./value-field";
import "./create.css";

interface Props {
  draft: Draft;
  objects: Objects;
  onChange: (change: Partial<Draft>) => void;
}

export function DraftFields({ draft, objects, onChange }: Props): ReactNode {
  const { kind, rows } = draft;
  const { paths } = KIND_FIELDS[kind];
  const first = rows[0]!;
  const resource = resourceAt(first.path, objects);
  const changeRow = (row: Row) => (change: Partial<Row>) =>
    onChange({ rows: rows.map((one) => (one.key === row.key ? { ...one, ...change } : one)) });

  function choosePath(path: string) {
    // A resource may not permit the kind: then one that it does. Not where a path is typed: a wrong digit would turn a
    // WRITE into an EXECUTE.
    onChange({ kind: kindFor(kind, resourceAt(path, objects)), rows: [{ ...first, path }] });
  }
  function chooseKind(next: OperationKind) {
    onChange({ kind: next, rows: KIND_FIELDS[next].paths === "path" ? [first] : rows });
  }
  return (
    <>
      <Field name="kind" label="Kind">
        {(control) => (
          <select {...control} value={kind} onChange={(event) => chooseKind(event.target.value as OperationKind)}>
            {KINDS.map((one) => (
              <option
                key={one}
                disabled={paths === "path" && KIND_FIELDS[one].paths === "path" && refusal(one, resource) !== undefined}
                title={refusal(one, resource)}
              >
                {one}
              </option>
            ))}
          </select>
        )}
      </Field>
      {paths === "path" ? (
        <>
          <PathField
            name="path"
            kind={kind}
            path={first.path}
            objects={objects}
            onChange={choosePath}
            onType={(path) => changeRow(first)({ path })}
          />
          <p className="muted refusal" role="status">
            {resource && resource.operations !== "RW" && `This resource is ${operationsText(resource.operations)}.`}
          </p>
          {hasValue(kind) && <ValueField name="value" draft={draft} row={first} objects={objects} onChange={changeRow(first)} />}
        </>
      ) : (
        <Paths draft={draft} objects={objects} onChange={onChange} changeRow={changeRow} />
      )}
      {kind === "EXECUTE" && (
        <Field name="arguments" label="Arguments" hint="Digits with or without a text: 0='a',1. Usually none.">
          {(control) => (
            <input
              {...control}
              className="mono"
              value={draft.arguments}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => onChange({ arguments: event.target.value })}
            />
          )}
        </Field>
      )}
      {kind === "WRITE_ATTRIBUTES" && <AttributeFields draft={draft} onChange={onChange} />}
      <OptionFields draft={draft} onChange={onChange} />
    </>
  );
}

interface PathsProps extends Props {
  changeRow: (row: Row) => (change: Partial<Row>) => void;
}

/** The paths of a composite, and for WRITE_COMPOSITE their values. */
function Paths({ draft, objects, onChange, changeRow }: PathsProps): ReactNode {
  const { kind, rows } = draft;
  const withValues = KIND_FIELDS[kind].paths === "values";
  return (
    <>
      {rows.map((row, index) => (
        <fieldset className="rows" key={row.key}>
          <legend>Path {index + 1}</legend>
          <PathField
            name={withValues ? `values.${index}.path` : `paths.${index}`}
            kind={kind}
            path={row.path}
            objects={objects}
            onChange={(path) => changeRow(row)({ path })}
            autoFocus={index > 0 && index === rows.length - 1}
          />
          <Refusal kind={kind} resource={resourceAt(row.path, objects)} />
          {withValues && (
            <ValueField name={`values.${index}.value`} draft={draft} row={row} objects={objects} onChange={changeRow(row)} />
          )}
          {rows.length > 1 && (
            <button type="button" className="quiet" onClick={() => onChange({ rows: rows.filter((one) => one.key !== row.key) })}>
              Remove path {index + 1}
            </button>
          )}
        </fieldset>
      ))}
      <div>
        <button type="button" disabled={rows.length >= 100} onClick={() => onChange({ rows: [...rows, newRow()] })}>
          Add a path
        </button>
      </div>
    </>
  );
}
