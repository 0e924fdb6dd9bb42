import { expect, test } from "vitest";

import type { Problem } from "../../api/problem";
import type { Run } from "../../api/run";
import { MAX_NAMES } from "./target";
import { createFor, createPieces } from "./use-batch";

const GOES_ON = { current: false };
const STOPPED = { current: true };
const INPUT = { kind: "WRITE", path: "/5/0/1", value: { string: "a" } } as const;
const PARTLY: Problem = { code: "UNAVAILABLE", message: "Repeat it.", done: 500 };
const UNREACHABLE: Problem = { code: "UNREACHABLE", message: "The server cannot be reached." };

/** A server that answers with these results in turn; `sent` are the variables that it received. */
function serverOf(...results: object[]) {
  const sent: Record<string, unknown>[] = [];
  const run = (async (_document: unknown, variables: Record<string, unknown>) => {
    sent.push(variables);
    return results[sent.length - 1];
  }) as unknown as Run;
  return { run, sent };
}

test("an unfinished batch is repeated unchanged until it is done", async () => {
  const done = { created: 900, passedOver: 100 };
  const { run, sent } = serverOf({ problem: PARTLY }, { data: { createDeviceOperationsFor: done } });
  const request = { filter: { tags: ["site:north"] }, count: 1_000, input: INPUT, batch: "b" };
  expect(await createFor(run, request, GOES_ON)).toEqual(done);
  expect(sent).toEqual(Array(2).fill({ filter: request.filter, input: INPUT, batch: "b", expectedCount: 1_000 }));
});

test("a batch for endpoints that come and go states no number of them", async () => {
  const done = { created: 3, passedOver: 0 };
  const { run, sent } = serverOf({ data: { createDeviceOperationsFor: done } });
  const request = { filter: { presences: ["ASLEEP" as const] }, count: 4, isMoving: true, input: INPUT, batch: "b" };
  expect(await createFor(run, request, GOES_ON)).toEqual(done);
  expect(sent).toEqual([{ filter: request.filter, input: INPUT, batch: "b", expectedCount: null }]);
});

test("a batch stops where the server is lost, and knows whether it had begun", async () => {
  const request = { filter: {}, count: 1_000, input: INPUT, batch: "b" };
  expect(await createFor(serverOf({ problem: UNREACHABLE }).run, request, GOES_ON)).toEqual({ problem: UNREACHABLE, begun: false });
  const { run } = serverOf({ problem: PARTLY }, { problem: UNREACHABLE });
  expect(await createFor(run, request, GOES_ON)).toEqual({ problem: UNREACHABLE, begun: true });
});

test("a batch that makes no progress is not repeated without end", async () => {
  const request = { filter: {}, count: 1_000, input: INPUT, batch: "b" };
  const { run, sent } = serverOf({ problem: PARTLY }, { problem: PARTLY });
  expect(await createFor(run, request, GOES_ON)).toEqual({ problem: PARTLY, begun: true });
  expect(sent.length).toBe(2);
});

test("more names than a filter may have are created in pieces, and continued with the same key", async () => {
  const names = Array.from({ length: MAX_NAMES + 2 }, (_, index) => `dev-${index}`);
  const pieces = { request: { names, filter: {}, count: names.length, input: INPUT, batch: "b" }, key: "k", next: 0, created: 0 };
  const { run, sent } = serverOf({ data: { createDeviceOperations: Array(MAX_NAMES) } }, { problem: UNREACHABLE }, { data: { createDeviceOperations: Array(2) } });
  expect(await createPieces(run, pieces, GOES_ON)).toEqual({ problem: UNREACHABLE, begun: true });
  expect(await createPieces(run, pieces, GOES_ON)).toEqual({ created: names.length, passedOver: 0 });
  expect(sent.map(({ inputs }) => (inputs as object[]).length)).toEqual([MAX_NAMES, 2, 2]);
  expect((sent[2]!["inputs"] as object[])[1]).toEqual({ ...INPUT, endpoint: names.at(-1), batch: "b", idempotencyKey: "k" });
});

test("a stopped batch sends no further request, and is continued where it stopped", async () => {
  const request = { filter: {}, count: 1_000, input: INPUT, batch: "b" };
  expect(await createFor(serverOf({ problem: PARTLY }).run, request, STOPPED)).toEqual({ stopped: true });
  const pieces = { request: { ...request, names: ["a", "b"] }, key: "k", next: 0, created: 0 };
  const { run, sent } = serverOf({ data: { createDeviceOperations: Array(2) } });
  expect(await createPieces(run, pieces, STOPPED)).toEqual({ stopped: true });
  expect(sent).toEqual([]);
  expect(await createPieces(run, pieces, GOES_ON)).toEqual({ created: 2, passedOver: 0 });
});

test("the endpoint that is refused is named", async () => {
  const names = ["a", "b"];
  const pieces = { request: { names, filter: {}, count: 2, input: INPUT, batch: "b" }, key: "k", next: 0, created: 0 };
  const refused: Problem = { code: "LIMIT_EXCEEDED", message: "The queue is full.", index: 1 };
  expect(await createPieces(serverOf({ problem: refused }).run, pieces, GOES_ON)).toEqual({ problem: { ...refused, message: "b: The queue is full." }, begun: false });
});
