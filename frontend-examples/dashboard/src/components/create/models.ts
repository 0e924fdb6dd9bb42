/** Objects and resources by name: from the object models of the targets, then from those that a Leshan server provided. */

import type { ModelPartsFragment, TargetObjectsQuery, ValueType } from "../../api/generated";

export type Resource = ModelPartsFragment["resources"][number];

interface ObjectChoice {
  objectId: number;
  /** Known instances; none if the targets are not known to have the object. */
  instances: readonly number[];
  /** Null if its model is not known. */
  model: ModelPartsFragment | null;
}

/** Objects by id. */
export type Objects = ReadonlyMap<number, ObjectChoice>;

/** Merge the objects of the targets with models that are known besides; sorted by id. */
export function mergeObjects(targets: TargetObjectsQuery | undefined, models: Iterable<ModelPartsFragment | null | undefined>): Objects {
  const found = new Map<number, ObjectChoice>();
  for (const { node } of targets?.endpoints?.edges ?? []) {
    for (const { objectId, instances, model } of node.objects) {
      const known = found.get(objectId);
      const all = [...new Set([...(known?.instances ?? []), ...instances])].sort((left, right) => left - right);
      found.set(objectId, { objectId, instances: all, model: known?.model ?? model });
    }
  }
  for (const model of models) {
    if (!model) continue;
    const known = found.get(model.objectId);
    if (!known?.model) found.set(model.objectId, { objectId: model.objectId, instances: known?.instances ?? [], model });
  }
  return new Map([...found].sort(([left], [right]) => left - right));
}

/** Ids of a path, or undefined if it is none: "/3/0/1" and "3/0/1" are [3, 0, 1]. */
export function parsePath(path: string): number[] | undefined {
  const text = path.trim().replace(/^\//, "");
  if (!/^\d{1,5}(\/\d{1,5}){0,3}$/.test(text)) return undefined;
  return text.split("/").map(Number);
}

export const pathOf = (ids: readonly number[]): string => `/${ids.join("/")}`;

/** The resource that a path of a resource or resource instance belongs to, if its model is known. */
export function resourceAt(path: string, objects: Objects): Resource | undefined {
  const [objectId, , resourceId] = parsePath(path) ?? [];
  if (objectId === undefined || resourceId === undefined) return undefined;
  return objects.get(objectId)?.model?.resources.find((one) => one.resourceId === resourceId);
}

/** "Firmware Update (5)". */
export const objectName = ({ objectId, model }: ObjectChoice): string => (model ? `${model.name} (${objectId})` : `Object ${objectId}`);

const EXAMPLES: Record<ValueType, unknown> = {
  STRING: "",
  INTEGER: "0",
  UNSIGNED_INTEGER: "0",
  FLOAT: "0",
  BOOLEAN: false,
  OPAQUE: "",
  TIME: 0,
  OBJLNK: { objectId: 65535, objectInstanceId: 65535 },
  CORELINK: "",
};

/** A node of an object instance with its writable resources, mandatory ones only if there are any; to be filled in. */
export function nodeTemplate(model: ModelPartsFragment): string {
  const writable = model.resources.filter(({ operations, type }) => type && operations.includes("W"));
  const mandatory = writable.filter((one) => one.mandatory);
  const resources = (mandatory.length ? mandatory : writable).map(({ resourceId, type, multiple }) =>
    multiple
      ? { id: resourceId, kind: "multiResource", type, values: { 0: EXAMPLES[type!] } }
      : { id: resourceId, kind: "singleResource", type, value: EXAMPLES[type!] },
  );
  return JSON.stringify({ kind: "instance", resources }, null, 2);
}
