/** The filters of the API as search parameters of the address. */

import type { DeviceOperationFilter, EndpointFilter } from "./api/generated";

/** Search parameters of the operations page: fields of `DeviceOperationFilter`. */
export type OperationSearch = Pick<
  DeviceOperationFilter,
  "endpoint" | "statuses" | "kinds" | "reasons" | "pathPrefix" | "createdAfter" | "createdBefore" | "batch" | "createdBy" | "retried"
>;

/** Search parameters of the fleet page: fields of `EndpointFilter`. */
export type EndpointSearch = Pick<
  EndpointFilter,
  "nameContains" | "presences" | "tags" | "objectId" | "lastSeenAfter" | "lastSeenBefore" | "hasPending" | "overdue"
>;

type Raw = Record<string, unknown>;

const text = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" ? String(value) || undefined : undefined;
const flag = (value: unknown): boolean | undefined => (typeof value === "boolean" ? value : undefined);
const whole = (value: unknown): number | undefined => (Number.isInteger(value) ? (value as number) : undefined);

function list<Value extends string>(value: unknown): Value[] | undefined {
  const values = (Array.isArray(value) ? value : [value]).map(text).filter((one) => one !== undefined);
  return values.length ? (values as Value[]) : undefined;
}

/** Drop undefined members, so that an address names only what is set. */
function set<Search extends object>(search: Search): Search {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as Search;
}

export function parseOperationSearch(raw: Raw): OperationSearch {
  return set({
    endpoint: text(raw["endpoint"]),
    statuses: list(raw["statuses"]),
    kinds: list(raw["kinds"]),
    reasons: list(raw["reasons"]),
    pathPrefix: text(raw["pathPrefix"]),
    createdAfter: text(raw["createdAfter"]),
    createdBefore: text(raw["createdBefore"]),
    batch: text(raw["batch"]),
    createdBy: text(raw["createdBy"]),
    retried: flag(raw["retried"]),
  });
}

export function parseEndpointSearch(raw: Raw): EndpointSearch {
  return set({
    nameContains: text(raw["nameContains"]),
    presences: list(raw["presences"]),
    tags: list(raw["tags"]),
    objectId: whole(raw["objectId"]),
    lastSeenAfter: text(raw["lastSeenAfter"]),
    lastSeenBefore: text(raw["lastSeenBefore"]),
    hasPending: flag(raw["hasPending"]),
    overdue: flag(raw["overdue"]),
  });
}
