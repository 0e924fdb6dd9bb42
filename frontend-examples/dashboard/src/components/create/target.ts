/** The endpoints that an action concerns. */

import type { EndpointFilter } from "../../api/generated";

/** Maximum number of names in a filter, and of operations in one mutation. */
export const MAX_NAMES = 1_000;

/** Endpoints by name, or the `count` that match a filter. */
export type Chosen = { names: readonly string[] } | { filter: EndpointFilter; count: number };

/** One endpoint, or chosen ones. */
export type Target = { endpoint: string } | Chosen;

export function countOf(target: Target): number {
  if ("endpoint" in target) return 1;
  return "names" in target ? target.names.length : target.count;
}

/** Whether endpoints begin and cease to match a filter as they wake and fall asleep: a number of them is soon wrong. */
export function isMoving({ presences, overdue, hasPending, lastSeenAfter, lastSeenBefore }: EndpointFilter): boolean {
  return [presences, overdue, hasPending, lastSeenAfter, lastSeenBefore].some((criterion) => criterion !== undefined && criterion !== null);
}

export function filterOf(target: Target): EndpointFilter {
  if ("filter" in target) return target.filter;
  return { names: "endpoint" in target ? [target.endpoint] : [...target.names] };
}
