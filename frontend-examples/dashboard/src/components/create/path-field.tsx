/** A path, chosen by the names of object and resource or typed by hand. */

import type { ReactNode } from "react";

import type { OperationKind } from "../../api/generated";
import { Field } from "../field";
import { KIND_FIELDS, operationsText, refusal } from "./kinds";
import { objectName, type Objects, parsePath, pathOf } from "./models";

interface Props {
  /** GraphQL path of the input field. */
  name: string;
  kind: OperationKind;
  path: string;
  objects: Objects;
  /** A path was chosen by names. */
  onChange: (path: string) => void;
  /** A path was typed. Default: `onChange`. */
  onType?: (path: string) => void;
  autoFocus?: boolean;
}

export function PathField({ name, kind, path, objects, onChange, onType = onChange, autoFocus = false }: Props): ReactNode {
  const [objectId, instanceId, resourceId, ...deeper] = parsePath(path) ?? [];
  const object = objectId === undefined ? undefined : objects.get(objectId);
  const { depth } = KIND_FIELDS[kind];

  function chooseObject(text: string) {
    if (!text) return onChange("");
    const id = Number(text);
    onChange(pathOf(depth === 1 ? [id] : [id, objects.get(id)?.instances[0] ?? 0]));
  }
  function chooseInstance(text: string) {
    if (!text) return onChange(pathOf([objectId!]));
    onChange(pathOf([objectId!, Number(text), ...(resourceId === undefined ? [] : [resourceId, ...deeper])]));
  }
  function chooseResource(text: string) {
    const instance = instanceId ?? object?.instances[0] ?? 0;
    onChange(pathOf(text ? [objectId!, instance, Number(text)] : [objectId!, instance]));
  }

  return (
    <div className="path-field">
      <label>
        Object
        <select autoFocus={autoFocus} value={object ? objectId : ""} onChange={(event) => chooseObject(event.target.value)}>
          <option value="">{objectId === undefined ? "Choose…" : "Not known"}</option>
          {[...objects.values()].map((one) => (
            <option key={one.objectId} value={one.objectId}>
              {objectName(one)}
            </option>
          ))}
        </select>
      </label>
      {depth >= 2 && (
        <label>
          Instance
          <input
            type="number"
            min={0}
            max={65534}
            disabled={objectId === undefined}
            title={object?.instances.length ? `Known instances: ${object.instances.join(", ")}` : undefined}
            value={instanceId ?? ""}
            onChange={(event) => chooseInstance(event.target.value)}
          />
        </label>
      )}
      {depth >= 3 && (
        <label>
          Resource
          <select value={resourceId ?? ""} disabled={!object?.model} onChange={(event) => chooseResource(event.target.value)}>
            <option value="">{object?.model ? "None: the whole instance" : "Choose an object first"}</option>
            {object?.model?.resources.map((one) => (
              <option key={one.resourceId} value={one.resourceId}>
                {`${one.name} (${one.resourceId}): ${operationsText(one.operations)}`}
              </option>
            ))}
            {resourceId !== undefined && !object?.model?.resources.some((one) => one.resourceId === resourceId) && (
              <option value={resourceId}>{`Resource ${resourceId}`}</option>
            )}
          </select>
        </label>
      )}
      <Field name={name} label="Path">
        {(control) => (
          <input
            {...control}
            className="mono"
            value={path}
            placeholder={depth === 1 ? "/3442" : depth === 2 ? "/3442/8" : "/5/0/1"}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => onType(event.target.value)}
          />
        )}
      </Field>
    </div>
  );
}

/** Why the kind is not possible on a resource, announced when it changes. */
export function Refusal({ kind, resource }: { kind: OperationKind; resource: Parameters<typeof refusal>[1] }): ReactNode {
  return (
    <p className="refusal" role="status">
      {refusal(kind, resource)}
    </p>
  );
}
