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

/** Drop undefined members, so that an address, and a stored filter, name only what is set. */
export function setFields<Search extends object>(search: Search): Search {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as Search;
}

export function parseOperationSearch(raw: Raw): OperationSearch {
  return setFields({
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

/** Search parameters of the overview. */
interface OverviewSearch {
  /** Length of the time that the statistics cover, in seconds: one of `WINDOWS`. */
  window?: number;
}

/** Lengths of the time that the statistics cover, in seconds; the first one is the default. */
export const WINDOWS: readonly [number, ...number[]] = [3_600, 600, 86_400];

export function parseOverviewSearch(raw: Raw): OverviewSearch {
  const window = whole(raw["window"]);
  return window !== undefined && WINDOWS.includes(window) ? { window } : {};
}

export function parseEndpointSearch(raw: Raw): EndpointSearch {
  return setFields({
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
