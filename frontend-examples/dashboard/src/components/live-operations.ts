/** The list of a filter's operations, kept current: changed ones in their rows, new ones by reading the first page again. */

import { useEffect, useMemo, useState } from "react";
import { type Client, useClient } from "urql";

import { OperationsDocument, type OperationsQuery, type OperationRowFragment, TransitionsDocument } from "../api/generated";
import { follow } from "../api/live";
import { periodically } from "../api/periodic";
import type { Problem } from "../api/problem";
import { type Connection, type Rows, useRows } from "../api/rows";
import type { OperationSearch } from "../filters";
import { mayMatch } from "../operation-rules";

/** The first page is read again at most this often while operations change that are not in it. */
const REFRESH_MS = 2_000;
/** `waitingFor` may change without an event. */
const EVERY_MS = 10_000;
const RETRY_MS = 2_000;
/** Number of operations whose newest state is remembered, for pages that were read before and arrive after it. */
const REMEMBERED = 2_000;

export const keyOf = ({ id }: OperationRowFragment): string => id;

interface LiveOperations {
  rows: Rows<OperationRowFragment>;
  /** Whether there are newer rows, which are not shown because the reader is further down. */
  isBehind: boolean;
  /** Read the list again from its beginning. */
  restart: () => void;
}

export function useLiveOperations(filter: OperationSearch): LiveOperations {
  const client = useClient();
  const filterKey = JSON.stringify(filter);
  const feed = useMemo(() => new Feed(client, filter), [client, filterKey]);
  const rows = useRows(OperationsDocument, { filter }, (data) => feed.take(data), keyOf);
  const [isBehind, setBehind] = useState(false);
  useEffect(() => {
    setBehind(false);
    return feed.start(rows, setBehind);
  }, [feed, rows]);
  return { rows, isBehind, restart: () => feed.restart() };
}

class Feed {
  #cursor: string | null = null;
  #remembered = new Map<string, OperationRowFragment>();
  #rows: Rows<OperationRowFragment> | undefined;
  #setBehind: (isBehind: boolean) => void = () => {};
  #refreshing: ReturnType<typeof setTimeout> | undefined;
  #unfollow: (() => void) | undefined;

  constructor(
    private readonly client: Client,
    private readonly filter: OperationSearch,
  ) {}

  start(rows: Rows<OperationRowFragment>, setBehind: (isBehind: boolean) => void): () => void {
    this.#rows = rows;
    this.#setBehind = setBehind;
    this.#follow();
    const stop = periodically(EVERY_MS, () => rows.isAtTop && rows.refresh());
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
  take(data: OperationsQuery): Connection<OperationRowFragment> | null {
    this.#cursor ??= data.transitionCursor;
    this.#follow();
    const { deviceOperations: page } = data;
    return page && { ...page, edges: page.edges.map(({ node }) => ({ node: newer(node, this.#remembered.get(node.id)) })) };
  }

  restart(): void {
    this.#setBehind(false);
    void this.#rows?.restart();
  }

  #follow(): void {
    if (this.#unfollow || !this.#rows || this.#cursor === null) return;
    const variables = { endpoint: this.filter.endpoint ?? null, after: this.#cursor };
    this.#unfollow = follow(
      this.client,
      TransitionsDocument,
      variables,
      (events) => this.#apply(events.map(({ operationTransitions }) => operationTransitions.operation)),
      (problem) => this.#ended(problem),
    );
  }

  #apply(operations: OperationRowFragment[]): void {
    const rows = this.#rows;
    if (!rows) return;
    const changed = new Map<string, OperationRowFragment>();
    for (const operation of operations) changed.set(operation.id, newer(operation, changed.get(operation.id)));
    this.#remember(changed);
    rows.change(changed.keys(), (row) => newer(row, changed.get(row.id)));
    // An operation behind the rows that were read changes none of them.
    const oldest = rows.hasMore ? rows.at(rows.length - 1)?.createdAt : undefined;
    for (const operation of changed.values()) {
      const isListed = rows.get(operation.id) !== undefined;
      if (!isListed && oldest !== undefined && Date.parse(operation.createdAt) < Date.parse(oldest)) continue;
      if (isListed !== mayMatch(this.filter, operation)) {
        this.#refreshing ??= setTimeout(() => this.#refresh(), REFRESH_MS);
        return;
      }
    }
  }

  #remember(changed: Map<string, OperationRowFragment>): void {
    for (const [id, operation] of changed) {
      this.#remembered.delete(id); // to its end: the oldest are first
      this.#remembered.set(id, operation);
    }
    for (const id of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED) break;
      this.#remembered.delete(id);
    }
  }

  #refresh(): void {
    this.#refreshing = undefined;
    if (this.#rows?.isAtTop) void this.#rows.refresh();
    else this.#setBehind(true);
  }

  /** The log cannot be followed from the cursor: read everything again, and follow from there. */
  #ended({ code }: Problem): void {
    this.#cursor = null;
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(
      () => {
        this.#refreshing = undefined;
        this.#unfollow = undefined;
        this.restart();
      },
      code === "CURSOR_EXPIRED" ? 0 : RETRY_MS,
    );
  }
}

/** Of two copies of an operation the newer one; `one` if they are of the same version. */
function newer(one: OperationRowFragment, other: OperationRowFragment | undefined): OperationRowFragment {
  return other && other.version > one.version ? other : one;
}
