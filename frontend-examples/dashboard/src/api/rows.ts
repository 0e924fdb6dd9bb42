/**
 * The rows of a connection of any length, read page by page as they become visible.
 *
 * Cursors of all pages read so far are kept, rows only of those used last: scrolling back reads a page again, and memory is
 * bounded however far one scrolls.
 */

import { useEffect, useMemo, useSyncExternalStore } from "react";
import { type AnyVariables, type TypedDocumentNode, useClient } from "urql";

import { type Problem, problemOf } from "./problem";

export const PAGE_ROWS = 100;
const KEPT_PAGES = 40;
/** Pause after a failure, in milliseconds. */
const RETRY_MS = 2_000;

export interface Connection<Node> {
  edges: readonly { node: Node }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

interface Page<Node> {
  after: string | null;
  /** Undefined if the page was dropped, and is read again when it becomes visible. */
  nodes: Node[] | undefined;
  usedAt: number;
}

export class Rows<Node> {
  problem: Problem | undefined;
  /** Whether the first page has not arrived yet. */
  loading = true;

  #pages: Page<Node>[] = [{ after: null, nodes: undefined, usedAt: 0 }];
  #places = new Map<string, { page: Page<Node>; index: number }>();
  #reading = new Set<Page<Node>>();
  #retryAt = 0;
  #hasMore = true;
  #lastLength = 0;
  #clock = 0;
  #version = 0;
  #listeners = new Set<() => void>();

  constructor(
    private readonly read: (after: string | null) => Promise<Connection<Node>>,
    private readonly key: (node: Node) => string,
    private readonly retryMs = RETRY_MS,
  ) {}

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Changes whenever a row or the length changes. */
  version = () => this.#version;

  /** Number of rows known so far. */
  get length(): number {
    return (this.#pages.length - 1) * PAGE_ROWS + this.#lastLength;
  }

  /** Whether there are rows behind those known so far. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** The row at an index, or undefined while it is not in memory. */
  at(index: number): Node | undefined {
    return this.#pages[Math.floor(index / PAGE_ROWS)]?.nodes?.[index % PAGE_ROWS];
  }

  get(key: string): Node | undefined {
    const place = this.#places.get(key);
    return place?.page.nodes?.[place.index];
  }

  /** Read the pages of a range of rows that are not in memory, and the next one where the range reaches the end. */
  want(first: number, last: number): void {
    if (Date.now() < this.#retryAt) return;
    const lastPage = Math.min(Math.floor(last / PAGE_ROWS), this.#pages.length - 1);
    for (let number = Math.floor(first / PAGE_ROWS); number <= lastPage; number++) {
      const page = this.#pages[number]!;
      page.usedAt = ++this.#clock;
      if (!page.nodes) void this.#load(page);
    }
  }

  /** Change the rows that are in memory; `change` is called with those whose keys are given. */
  change(keys: Iterable<string>, change: (node: Node) => Node): void {
    let changed = false;
    for (const key of keys) {
      const place = this.#places.get(key);
      const node = place?.page.nodes?.[place.index];
      if (!place || node === undefined) continue;
      const next = change(node);
      if (next === node) continue;
      place.page.nodes![place.index] = next;
      changed = true;
    }
    if (changed) this.#changed();
  }

  /** Read the first page again; if its rows are others than before, everything behind it is read again when visible. */
  async refresh(): Promise<void> {
    const first = this.#pages[0]!;
    if (!this.#reading.has(first)) await this.#load(first);
  }

  async #load(page: Page<Node>): Promise<void> {
    if (this.#reading.has(page)) return;
    this.#reading.add(page);
    try {
      const { edges, pageInfo } = await this.read(page.after);
      this.#place(page, edges.map(({ node }) => node), pageInfo);
      this.problem = undefined;
    } catch (problem) {
      this.problem = problem as Problem;
      this.#retryAt = Date.now() + this.retryMs;
      setTimeout(() => this.#changed(), this.retryMs);
    } finally {
      this.#reading.delete(page);
      this.loading = false;
      this.#changed();
    }
  }

  #place(page: Page<Node>, nodes: Node[], { hasNextPage, endCursor }: Connection<Node>["pageInfo"]): void {
    const number = this.#pages.indexOf(page);
    if (number < 0) return; // a page of an earlier list
    this.#forget(page);
    page.nodes = nodes;
    nodes.forEach((node, index) => this.#places.set(this.key(node), { page, index }));
    const following = this.#pages[number + 1];
    const after = hasNextPage ? endCursor : null;
    if (following && following.after !== after) {
      for (const dropped of this.#pages.splice(number + 1)) this.#forget(dropped);
    }
    if (number === this.#pages.length - 1) {
      this.#lastLength = nodes.length;
      this.#hasMore = hasNextPage;
      if (hasNextPage && nodes.length === PAGE_ROWS) {
        this.#pages.push({ after, nodes: undefined, usedAt: 0 });
        this.#lastLength = 0;
      }
    }
    this.#dropUnused();
  }

  #dropUnused(): void {
    const kept = this.#pages.filter(({ nodes }) => nodes);
    if (kept.length <= KEPT_PAGES) return;
    kept.sort((left, right) => left.usedAt - right.usedAt);
    for (const page of kept.slice(0, kept.length - KEPT_PAGES)) this.#forget(page);
  }

  #forget(page: Page<Node>): void {
    for (const node of page.nodes ?? []) {
      const key = this.key(node);
      if (this.#places.get(key)?.page === page) this.#places.delete(key);
    }
    page.nodes = undefined;
  }

  #changed(): void {
    this.#version++;
    for (const listener of this.#listeners) listener();
  }
}

/**
 * The rows of a connection. The document's variables must include `first` and `after`, which are set here. Other variables
 * begin a new list.
 */
export function useRows<Data, Variables extends AnyVariables, Node>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Omit<Variables, "first" | "after">,
  connection: (data: Data) => Connection<Node> | null,
  key: (node: Node) => string,
): Rows<Node> {
  const client = useClient();
  const variablesKey = JSON.stringify(variables);
  const rows = useMemo(
    () =>
      new Rows<Node>(async (after) => {
        const all = { ...variables, first: PAGE_ROWS, after } as unknown as Variables;
        const { data, error } = await client.query(document, all).toPromise();
        const found = data && connection(data);
        if (!found) throw error ? problemOf(error) : { code: "INTERNAL", message: "The list is empty." };
        return found;
      }, key),
    // The functions are those of the document, so they need no place here.
    [client, document, variablesKey],
  );
  useEffect(() => rows.want(0, 0), [rows]);
  useSyncExternalStore(rows.subscribe, rows.version);
  return rows;
}
