/** Latest values of an endpoint, as they are reported. */

import { useMemo, useRef } from "react";

import { EndpointValuesDocument, type EndpointValuesQuery, type ResourceValueFragment, ValueChangesDocument } from "../../api/generated";
import { changes, useLive } from "../../api/live";
import type { Problem } from "../../api/problem";

export interface Values {
  byPath: ReadonlyMap<string, ResourceValueFragment>;
  /** Paths whose history is shown before the viewer chooses some. */
  proposed: readonly string[];
  problem: Problem | undefined;
  /** Read all values again: the end of an observation changes `observed` without an event. */
  reload: () => void;
}

export function useValues(endpoint: string): Values {
  const { data, problem, reload } = useLive(
    EndpointValuesDocument,
    { name: endpoint },
    {
      cursor: (data) => data.transitionCursor,
      changes: [
        changes(ValueChangesDocument, { endpoint }, (data: EndpointValuesQuery, events) =>
          withValues(data, events.map(({ resourceChanges }) => resourceChanges.resource)),
        ),
      ],
    },
  );
  const byPath = useMemo(() => new Map(data?.endpoint?.resources.map((one) => [one.path, one])), [data]);
  // The first proposal stays, whatever is reported later.
  const proposed = useRef<readonly string[]>([]);
  if (!proposed.current.length) proposed.current = propose([...byPath.values()]);
  return { byPath, proposed: proposed.current, problem, reload };
}

/** Put values into the list; one that a device had buffered may be older than the known one. */
function withValues(data: EndpointValuesQuery, arrived: readonly ResourceValueFragment[]): EndpointValuesQuery {
  if (!data.endpoint) return data;
  const byPath = new Map(data.endpoint.resources.map((one) => [one.path, one]));
  for (const value of arrived) {
    const known = byPath.get(value.path);
    if (!known || Date.parse(known.at) <= Date.parse(value.at)) byPath.set(value.path, value);
  }
  return { ...data, endpoint: { ...data.endpoint, resources: [...byPath.values()] } };
}

/** The first observed number, or else the first one with units, or else the first one. */
function propose(values: readonly ResourceValueFragment[]): readonly string[] {
  const numbers = values.filter(({ number }) => number !== null);
  const found = numbers.find(({ observed }) => observed) ?? numbers.find(({ units }) => units) ?? numbers[0];
  return found ? [found.path] : [];
}
