/** The list of a filter's endpoints, kept current: changed ones in their rows, others by reading what is visible again. */

import { useEffect, useMemo } from "react";
import { type Client, useClient } from "urql";

import {
  EndpointsDocument,
  type EndpointRowFragment,
  type EndpointsQuery,
  EndpointTransitionsDocument,
  PresenceChangesDocument,
} from "../../api/generated";
import { follow } from "../../api/live";
import { periodically } from "../../api/periodic";
import type { Problem } from "../../api/problem";
import { type Connection, type Rows, useRows } from "../../api/rows";
import type { EndpointSearch } from "../../filters";

/** The visible rows are read again at most this often because of events. */
const REFRESH_MS = 2_000;
/** `lastSeenAt` and `overdue` may change without an event. */
const EVERY_MS = 10_000;
const RETRY_MS = 2_000;
/** An event that arrived while a page was read is newer than the page's row. No request takes longer, usually. */
const RECENT_MS = 1_500;

/** Names are unique, and they are what mutations take. */
export const keyOf = ({ name }: EndpointRowFragment): string => name;

interface LiveEndpoints {
  rows: Rows<EndpointRowFragment>;
  /** Read the visible rows again now. */
  refresh: () => void;
}

export function useLiveEndpoints(filter: EndpointSearch, onRefresh: () => void): LiveEndpoints {
  const client = useClient();
  const filterKey = JSON.stringify(filter);
  const feed = useMemo(() => new Feed(client, filter, onRefresh), [client, filterKey, onRefresh]);
  const rows = useRows(EndpointsDocument, { filter }, (data) => feed.take(data), keyOf);
  useEffect(() => feed.start(rows), [feed, rows]);
  return { rows, refresh: () => void feed.refresh() };
}

class Feed {
  #cursor: string | null = null;
  #recent = new Map<string, { row: EndpointRowFragment; at: number }>();
  #rows: Rows<EndpointRowFragment> | undefined;
  #refreshing: ReturnType<typeof setTimeout> | undefined;
  #unfollow: (() => void) | undefined;

  constructor(
    private readonly client: Client,
    private readonly filter: EndpointSearch,
    private readonly onRefresh: () => void,
  ) {}

  start(rows: Rows<EndpointRowFragment>): () => void {
    this.#rows = rows;
    this.#follow();
    const stop = periodically(EVERY_MS, () => this.refresh());
    return () => {
      stop();
      clearTimeout(this.#refreshing);
      this.#refreshing = undefined;
      this.#unfollow?.();
      this.#unfollow = undefined;
      this.#rows = undefined;
    };
  }

  /** A page that was read, with what events have changed since then. The log is followed from the first one. */
  take({ transitionCursor, endpoints }: EndpointsQuery): Connection<EndpointRowFragment> | null {
    this.#cursor ??= transitionCursor;
    this.#follow();
    const since = Date.now() - RECENT_MS;
    for (const [name, { at }] of this.#recent) {
      if (at >= since) break; // in the order of arrival
      this.#recent.delete(name);
    }
    return (
      endpoints && {
        ...endpoints,
        edges: endpoints.edges.map(({ node }) => ({ node: { ...node, ...moving(this.#recent.get(node.name)?.row) } })),
      }
    );
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#refreshing);
    this.#refreshing = undefined;
    this.onRefresh();
    await this.#rows?.refreshVisible();
  }

  #follow(): void {
    if (this.#unfollow || !this.#rows || this.#cursor === null) return;
    const after = this.#cursor;
    const ended = (problem: Problem) => this.#ended(problem);
    const stops = [
      follow(
        this.client,
        PresenceChangesDocument,
        { after, endpoint: null },
        (events) => this.#apply(events.map((event) => event.endpointPresence.endpoint)),
        ended,
      ),
      follow(
        this.client,
        EndpointTransitionsDocument,
        { after },
        (events) => this.#apply(events.map((event) => event.operationTransitions.operation.endpoint)),
        ended,
      ),
    ];
    this.#unfollow = () => stops.forEach((stop) => stop());
  }

  #apply(endpoints: EndpointRowFragment[]): void {
    const rows = this.#rows;
    if (!rows) return;
    const changed = new Map(endpoints.map((row) => [row.name, row]));
    const at = Date.now();
    const last = rows.hasMore ? rows.lastVisible?.name : undefined;
    let isOther = false;
    for (const [name, row] of changed) {
      this.#recent.delete(name); // to its end: the oldest are first
      this.#recent.set(name, { row, at });
      const isListed = rows.get(name) !== undefined;
      const isInSight = last === undefined || name <= last;
      isOther ||= isInSight && isListed !== mayMatch(this.filter, row);
    }
    rows.change(changed.keys(), (row) => ({ ...row, ...changed.get(row.name) }));
    if (isOther) this.#refreshing ??= setTimeout(() => void this.refresh(), REFRESH_MS);
    for (const [name, recent] of this.#recent) {
      if (recent.at >= at - RECENT_MS) break;
      this.#recent.delete(name);
    }
  }

  /** The log cannot be followed from the cursor: read the visible rows again, and follow from there. */
  #ended({ code }: Problem): void {
    this.#unfollow?.();
    this.#cursor = null;
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(
      () => {
        this.#unfollow = undefined;
        void this.refresh();
      },
      code === "CURSOR_EXPIRED" ? 0 : RETRY_MS,
    );
  }
}

/** The fields that events change. */
function moving(row: EndpointRowFragment | undefined): Partial<EndpointRowFragment> {
  if (!row) return {};
  const { presence, awakeUntil, lastSeenAt, pendingOperations, overdue } = row;
  return { presence, awakeUntil, lastSeenAt, pendingOperations, overdue };
}

/** Whether an endpoint may match a filter: what its row does not have is not compared. */
export function mayMatch(filter: EndpointSearch, row: EndpointRowFragment): boolean {
  const { nameContains, presences, tags, hasPending, overdue } = filter;
  return (
    (!nameContains || row.name.includes(nameContains)) &&
    (!presences || presences.includes(row.presence)) &&
    (!tags || tags.every((tag) => row.tags.includes(tag))) &&
    (hasPending === undefined || hasPending === null || hasPending === row.pendingOperations > 0) &&
    (overdue === undefined || overdue === null || overdue === row.overdue)
  );
}
