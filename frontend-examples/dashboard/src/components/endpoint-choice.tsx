/** Endpoints chosen by a filter, with the number that match now. */

import type { ReactNode } from "react";

import { EndpointCountDocument, type EndpointFilter } from "../api/generated";
import { useLive } from "../api/live";
import { criterionText, plural } from "../words";
import { EndpointFilters } from "./endpoint-filters";
import { FieldGroup } from "./field";

interface Props {
  filter: EndpointFilter;
  onChange: (change: (latest: EndpointFilter) => EndpointFilter) => void;
}

export function EndpointChoice({ filter, onChange }: Props): ReactNode {
  const { data, isCurrent } = useLive(EndpointCountDocument, { filter });
  const count = isCurrent ? data?.endpointCount : undefined;
  return (
    <FieldGroup name="filter" legend="Endpoints">
      <EndpointFilters filter={filter} onChange={onChange} />
      <p role="status">
        {typeof count !== "number" ? "Counting…" : <strong>{plural(count, "endpoint")}</strong>} {count === 1 ? "matches" : "match"} now.
      </p>
    </FieldGroup>
  );
}

const NAMES: Record<string, string> = {
  nameContains: "name contains",
  presences: "presence",
  objectId: "object",
  lastSeenAfter: "seen after",
  lastSeenBefore: "seen before",
  hasPending: "pending operations",
};

/** A stored filter, or attributes, in one line. */
export function filterText(filter: unknown): string {
  const parts = Object.entries(filter as Record<string, unknown>)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${NAMES[name] ?? name}: ${criterionText(value)}`);
  return parts.join("; ") || "all endpoints";
}
