import { expect, test } from "vitest";

import { type Connection, PAGE_ROWS, Rows } from "./rows";

interface Item {
  id: string;
  value: number;
}

/** A connection of `count` items whose cursors are their indexes; `reads` are the pages that were read. */
function listOf(count: number) {
  const reads: (string | null)[] = [];
  const items = Array.from({ length: count }, (_, index) => ({ id: String(index), value: 0 }));
  const rows = new Rows<Item>(
    async (after): Promise<Connection<Item>> => {
      reads.push(after);
      const start = after === null ? 0 : Number(after) + 1;
      const nodes = items.slice(start, start + PAGE_ROWS);
      const hasNextPage = start + PAGE_ROWS < items.length;
      return { edges: nodes.map((node) => ({ node })), pageInfo: { hasNextPage, endCursor: nodes.at(-1)?.id ?? null } };
    },
    ({ id }) => id,
  );
  return { rows, reads, items };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

/** Scroll to the end of what is known, page by page. */
async function readAll(rows: Rows<Item>) {
  do {
    rows.want(rows.length, rows.length);
    await settled();
  } while (rows.hasMore);
}

test("an empty list has no rows", async () => {
  const { rows } = listOf(0);
  rows.want(0, 0);
  await settled();
  expect([rows.length, rows.hasMore, rows.loading]).toEqual([0, false, false]);
});

test("pages are read as they become visible", async () => {
  const { rows, reads } = listOf(250);
  rows.want(0, 20);
  await settled();
  expect([rows.length, rows.hasMore, reads]).toEqual([100, true, [null]]);
  await readAll(rows);
  expect([rows.length, rows.hasMore, reads]).toEqual([250, false, [null, "99", "199"]]);
  expect(rows.at(249)?.id).toBe("249");
});

test("a list that ends with a full page has no further row", async () => {
  const { rows } = listOf(200);
  await readAll(rows);
  expect([rows.length, rows.hasMore]).toEqual([200, false]);
});

test("a row in memory is changed, and another one is not read for it", async () => {
  const { rows, reads } = listOf(250);
  rows.want(0, 0);
  await settled();
  const before = rows.version();
  rows.change(["5", "150"], (item) => ({ ...item, value: 1 }));
  expect([rows.at(5)?.value, rows.get("150"), reads.length]).toEqual([1, undefined, 1]);
  expect(rows.version()).toBeGreaterThan(before);
});

test("rows of pages far away are dropped, and read again when they become visible", async () => {
  const { rows, reads } = listOf(60 * PAGE_ROWS);
  await readAll(rows);
  expect(rows.at(0)).toBeUndefined();
  const read = reads.length;
  rows.want(0, 0);
  await settled();
  expect([rows.at(0)?.id, reads.length]).toEqual(["0", read + 1]);
});

test("a refreshed first page with other rows makes the rest be read again", async () => {
  const { rows, items } = listOf(250);
  await readAll(rows);
  items.unshift({ id: "new", value: 0 });
  await rows.refresh();
  expect([rows.at(0)?.id, rows.length]).toEqual(["new", 100]);
});

test("a list that restarts has the rows of its first page", async () => {
  const { rows, items } = listOf(250);
  await readAll(rows);
  items.length = 50;
  await rows.restart();
  expect([rows.length, rows.hasMore, rows.at(60)]).toEqual([50, false, undefined]);
});

test("a failure is kept until the next page arrives", async () => {
  let fails = true;
  const rows = new Rows<Item>(
    async () => {
      if (fails) throw { code: "UNREACHABLE", message: "away" };
      return { edges: [], pageInfo: { hasNextPage: false, endCursor: null } };
    },
    ({ id }) => id,
    0,
  );
  rows.want(0, 0);
  await settled();
  expect(rows.problem?.message).toBe("away");
  fails = false;
  rows.want(0, 0);
  await settled();
  expect(rows.problem).toBeUndefined();
});

test("visible pages are read again, and those behind a moved row when they become visible", async () => {
  const { rows, reads, items } = listOf(350);
  await readAll(rows);
  rows.want(PAGE_ROWS, PAGE_ROWS + 20);
  expect(rows.lastVisible?.id).toBe(String(PAGE_ROWS + 20));
  reads.length = 0;
  await rows.refreshVisible();
  expect(reads).toEqual([String(PAGE_ROWS - 1)]);
  expect(rows.at(2 * PAGE_ROWS)).toBeDefined();
  items.splice(PAGE_ROWS + 1, 1);
  await rows.refreshVisible();
  expect([rows.at(PAGE_ROWS + 1)?.id, rows.at(2 * PAGE_ROWS)]).toEqual([String(PAGE_ROWS + 2), undefined]);
});

test("a refresh while the page is read reads it again, once for all that asked meanwhile", async () => {
  const answers: ((connection: Connection<Item>) => void)[] = [];
  const rows = new Rows<Item>(() => new Promise((resolve) => answers.push(resolve)), ({ id }) => id);
  const answer = async (id: string) => {
    answers.shift()!({ edges: [{ node: { id, value: 0 } }], pageInfo: { hasNextPage: false, endCursor: id } });
    await settled();
  };
  rows.want(0, 0);
  const refreshed = Promise.all([rows.refresh(), rows.refreshVisible()]);
  expect(answers.length).toBe(1);
  await answer("before the change");
  expect(answers.length).toBe(1);
  await answer("after the change");
  await refreshed;
  expect([rows.at(0)?.id, answers.length]).toEqual(["after the change", 0]);
});
