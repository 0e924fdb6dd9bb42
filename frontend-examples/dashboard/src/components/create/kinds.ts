/** Fields of each kind of operation, and whether a resource permits it. */

import type { OperationKind } from "../../api/generated";
import type { Resource } from "./models";

interface KindFields {
  /** The input field of its paths. */
  paths: "path" | "paths" | "values";
  /** Depth down to which a path is chosen: 1 object, 2 instance, 3 resource. */
  depth: 1 | 2 | 3;
  /** The operation of the object model that a resource must permit. */
  needs?: "R" | "W" | "E";
}

export const KIND_FIELDS: Readonly<Record<OperationKind, KindFields>> = {
  READ: { paths: "path", depth: 3, needs: "R" },
  WRITE: { paths: "path", depth: 3, needs: "W" },
  EXECUTE: { paths: "path", depth: 3, needs: "E" },
  OBSERVE: { paths: "path", depth: 3, needs: "R" },
  CANCEL_OBSERVE: { paths: "path", depth: 3 },
  DISCOVER: { paths: "path", depth: 3 },
  WRITE_ATTRIBUTES: { paths: "path", depth: 3 },
  CREATE: { paths: "path", depth: 1 },
  DELETE: { paths: "path", depth: 2 },
  READ_COMPOSITE: { paths: "paths", depth: 3, needs: "R" },
  WRITE_COMPOSITE: { paths: "values", depth: 3, needs: "W" },
  OBSERVE_COMPOSITE: { paths: "paths", depth: 3, needs: "R" },
  CANCEL_OBSERVE_COMPOSITE: { paths: "paths", depth: 3 },
};

export const ATTRIBUTES = ["pmin", "pmax", "gt", "lt", "st", "epmin", "epmax"] as const;
export type Attribute = (typeof ATTRIBUTES)[number];
/** Whether an attribute is a number of seconds; the others are values of a resource. */
export const isWhole = (name: Attribute): boolean => name.endsWith("pmin") || name.endsWith("pmax");

const VERBS = { R: "read", W: "written", E: "executed" };

/** Why a kind is not possible on a resource; undefined if it is, or if the resource is not known. */
export function refusal(kind: OperationKind, resource: Resource | undefined): string | undefined {
  const { needs } = KIND_FIELDS[kind];
  if (!resource || !needs || resource.operations.includes(needs)) return undefined;
  return `${resource.name} cannot be ${VERBS[needs]} (${operationsText(resource.operations)}).`;
}

/** "read-only", "read and write" .. of R, W, RW, E or nothing. */
export function operationsText(operations: string): string {
  return { R: "read-only", W: "write-only", RW: "read and write", E: "execute-only" }[operations] ?? "no operation";
}

/** The kind to offer for a resource: the one given if it is possible. */
export function kindFor(kind: OperationKind, resource: Resource | undefined): OperationKind {
  if (!refusal(kind, resource)) return kind;
  return (["WRITE", "READ", "EXECUTE"] as const).find((other) => !refusal(other, resource)) ?? kind;
}

/** The fields of an input on which it depends whether it is worth a question. */
interface Questionable {
  kind?: OperationKind | null | undefined;
  path?: string | null | undefined;
  repeatable?: boolean | null | undefined;
  value?: { string?: string | null | undefined } | null | undefined;
}

/** What an operation does on `count` devices that is worth a question first; undefined for all others. */
export function danger(input: Questionable, count = 1): string | undefined {
  const { kind, path = "", repeatable, value } = input;
  if (kind === "DELETE") return "This deletes the object instance on the device.";
  if (kind === "WRITE" && value?.string === "") return "This writes an empty text.";
  if (kind !== "EXECUTE") return undefined;
  if (/^\/?3\/\d+\/4$/.test(path ?? "")) return "This reboots the device.";
  if (/^\/?3\/\d+\/5$/.test(path ?? ""))
    return "This resets the device to its factory settings. It may lose its connection for good.";
  if (/^\/?5\/\d+\/2$/.test(path ?? "")) return "This installs the firmware that the device has downloaded, and reboots it.";
  if (repeatable) return "This is executed again if it is not known whether the device received it. It may be executed twice.";
  if (count > 1) return "Each device executes this.";
  return undefined;
}
