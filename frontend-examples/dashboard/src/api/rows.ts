/**
 * The rows of a connection of any length, read page by page as they become visible.
 *
 * Cursors of all pages read so far are kept, rows only of those used last: scrolling back reads a page again, and memory is
 * bounded however far one scrolls.
 */

import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { type AnyVariables, type TypedDocumentNode, useClient } from "urql";

import { periodically } from "./periodic";
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
  #positions = new Map<string, { page: Page<Node>; index: number }>();
  #reading = new Map<Page<Node>, Promise<void>>();
  #retryAt = 0;
  #hasMore = true;
  #lastLength = 0;
  #visible = { first: 0, last: 0 };
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
    const position = this.#positions.get(key);
    return position?.page.nodes?.[position.index];
  }

  /** Number of rows in memory. */
  get loaded(): number {
    return this.#positions.size;
  }

  /** Keys of the rows in memory. */
  loadedKeys(): Set<string> {
    return new Set(this.#positions.keys());
  }

  /** Whether the first page is visible, so that reading it again does not move the rows that are read. */
  get isAtTop(): boolean {
    return this.#visible.first < PAGE_ROWS / 4;
  }

  /** Read the pages of a range of rows that are not in memory, and the next one where the range reaches the end. */
  want(first: number, last: number): void {
    this.#visible = { first, last };
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
      const position = this.#positions.get(key);
      const node = position?.page.nodes?.[position.index];
      if (!position || node === undefined) continue;
      const next = change(node);
      if (next === node) continue;
      position.page.nodes![position.index] = next;
      changed = true;
    }
    if (changed) this.#changed();
  }

  /** Read the first page again; if its rows are others than before, everything behind it is read again when visible. */
  async refresh(): Promise<void> {
    await this.#loadAgain(this.#pages[0]!);
  }

  /** Read the visible pages again. A row that came or went moves those behind it, which are then read when visible. */
  async refreshVisible(): Promise<void> {
    const [first, last] = [this.#visible.first, this.#visible.last].map((index) => Math.floor(index / PAGE_ROWS));
    for (const page of this.#pages.slice(first, last! + 1)) {
      if (this.#pages.includes(page)) await this.#loadAgain(page);
    }
  }

  /** The last row that is visible, or the last one in memory before it. */
  get lastVisible(): Node | undefined {
    for (let index = this.#visible.last; index >= 0; index--) {
      const node = this.at(index);
      if (node !== undefined) return node;
    }
    return undefined;
  }

  /** Forget all rows, and read the first page again. */
  async restart(): Promise<void> {
    for (const page of this.#pages) this.#forget(page);
    this.#pages = [{ after: null, nodes: undefined, usedAt: 0 }];
    this.#lastLength = 0;
    this.#hasMore = true;
    await this.refresh();
  }

  /** Read a page with what has changed until now: a read that is under way may be older. Calls meanwhile share one read. */
  async #loadAgain(page: Page<Node>): Promise<void> {
    await this.#reading.get(page);
    if (this.#pages.includes(page)) await this.#load(page);
  }

  #load(page: Page<Node>): Promise<void> {
    const reading = this.#reading.get(page) ?? this.#read(page);
    this.#reading.set(page, reading);
    return reading;
  }

  async #read(page: Page<Node>): Promise<void> {
    try {
      const { edges, pageInfo } = await this.read(page.after);
      this.#store(page, edges.map(({ node }) => node), pageInfo);
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

  #store(page: Page<Node>, nodes: Node[], { hasNextPage, endCursor }: Connection<Node>["pageInfo"]): void {
    const number = this.#pages.indexOf(page);
    if (number < 0) return; // a page of an earlier list
    this.#forget(page);
    page.nodes = nodes;
    nodes.forEach((node, index) => this.#positions.set(this.key(node), { page, index }));
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
      if (this.#positions.get(key)?.page === page) this.#positions.delete(key);
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
    // The functions are those of the document, so they are no dependencies.
    [client, document, variablesKey],
  );
  useEffect(() => rows.want(0, 0), [rows]);
  useSyncExternalStore(rows.subscribe, rows.version);
  return rows;
}

/** Read the visible rows again from time to time: for what changes without an event. */
export function useRefresh<Node>(rows: Rows<Node>, everySeconds: number): void {
  useEffect(() => periodically(everySeconds * 1_000, () => rows.refreshVisible()), [rows, everySeconds]);
}

/** Read the visible rows again when the newest known row, by its time or cursor, is another one. */
export function useReadAgain<Node>(rows: Rows<Node>, newest: string | undefined): void {
  const seen = useRef(newest);
  useEffect(() => {
    if (seen.current !== newest) void rows.refreshVisible();
    seen.current = newest;
  }, [rows, newest]);
}
