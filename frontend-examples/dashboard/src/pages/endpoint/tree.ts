/** The tree of an endpoint: objects > instances > resources, by the object models and by the values that were reported. */

import type { EndpointPageQuery } from "../../api/generated";

export type Registered = NonNullable<EndpointPageQuery["endpoint"]>["objects"][number];
export type Model = NonNullable<Registered["model"]>["resources"][number];

export interface ResourceLine {
  path: string;
  /** Null if the object's model is not known, or does not have the resource. */
  model: Model | null;
}

export interface InstanceNode {
  path: string;
  id: number;
  lines: ResourceLine[];
}

export interface ObjectNode {
  id: number;
  /** Null if the model is not known. */
  name: string | null;
  /** Null if the device has not registered the object, of which there are values. */
  version: string | null;
  instances: InstanceNode[];
}

const numbers = (path: string): number[] => path.slice(1).split("/").map(Number);

function compare(left: string, right: string): number {
  const one = numbers(left);
  const other = numbers(right);
  for (let index = 0; index < one.length && index < other.length; index++) {
    if (one[index] !== other[index]) return one[index]! - other[index]!;
  }
  return one.length - other.length;
}

/** Build the tree of what the device registered, and of the paths that have values. */
export function buildTree(objects: readonly Registered[], valuePaths: readonly string[]): ObjectNode[] {
  const registered = new Map(objects.map((object) => [object.objectId, object]));
  const instances = new Map<string, Set<string>>();
  for (const { objectId, instances: ids, model } of objects) {
    for (const id of ids) {
      const lines = model?.resources.map(({ resourceId }) => `/${objectId}/${id}/${resourceId}`) ?? [];
      instances.set(`/${objectId}/${id}`, new Set(lines));
    }
  }
  for (const path of valuePaths) {
    const instance = path.split("/").slice(0, 3).join("/");
    if (!instances.has(instance)) instances.set(instance, new Set());
    instances.get(instance)!.add(path);
  }
  const nodes = new Map<number, ObjectNode>();
  for (const { objectId, version, model } of objects) {
    nodes.set(objectId, { id: objectId, name: model?.name ?? null, version, instances: [] });
  }
  for (const path of [...instances.keys()].sort(compare)) {
    const [objectId = 0, id = 0] = numbers(path);
    const models = new Map(registered.get(objectId)?.model?.resources.map((one) => [one.resourceId, one]));
    const lines = [...instances.get(path)!].sort(compare).map((line) => ({ path: line, model: models.get(numbers(line)[2]!) ?? null }));
    if (!nodes.has(objectId)) nodes.set(objectId, { id: objectId, name: null, version: null, instances: [] });
    nodes.get(objectId)!.instances.push({ path, id, lines });
  }
  return [...nodes.values()].sort((left, right) => left.id - right.id);
}

/** Return the part of a tree whose objects or resources have the text in their name or path. */
export function filterTree(tree: readonly ObjectNode[], text: string, keep: (line: ResourceLine) => boolean): ObjectNode[] {
  const wanted = text.trim().toLowerCase();
  return tree.flatMap((object) => {
    const whole = wanted === "" || (object.name ?? "").toLowerCase().includes(wanted);
    const instances = object.instances.flatMap((instance) => {
      const lines = instance.lines.filter((line) => keep(line) && (whole || matches(line, wanted)));
      return lines.length || (whole && !instance.lines.length) ? [{ ...instance, lines }] : [];
    });
    return instances.length || (whole && !object.instances.length) ? [{ ...object, instances }] : [];
  });
}

function matches({ path, model }: ResourceLine, wanted: string): boolean {
  return path.startsWith(wanted) || (model?.name ?? "").toLowerCase().includes(wanted);
}

/** Whether the resource permits READ, WRITE or EXECUTE. Of an unknown one it is not known, so that all is permitted. */
export function permits({ model, path }: ResourceLine, operation: "R" | "W" | "E"): boolean {
  if (model === null) return operation !== "E" || numbers(path).length === 3;
  return model.operations.includes(operation);
}

/** Name of a resource, or of one of its instances: "Sensor Value", "Error Code [1]"; its id if it is unknown. */
export function lineName({ path, model }: ResourceLine): string {
  const [, , resource, instance] = numbers(path);
  const name = model?.name ?? `Resource ${resource}`;
  return instance === undefined ? name : `${name} [${instance}]`;
}
