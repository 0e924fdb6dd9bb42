import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client, TypedDocumentNode } from "urql";

import { follow } from "./live";
import type { Problem } from "./problem";

type Sink = (result: { data?: number; error?: { graphQLErrors: { message: string; extensions: object }[] } }) => void;

const DOCUMENT = {} as TypedDocumentNode<number, { after: string | null }>;

/** A client with one subscription, whose events are sent by `send`. */
function subscribed() {
  let send: Sink = () => {};
  let isOpen = true;
  const subscription = () => ({
    subscribe: (sink: Sink) => {
      send = sink;
      return { unsubscribe: () => (isOpen = false) };
    },
  });
  const batches: number[][] = [];
  const problems: Problem[] = [];
  const stop = follow(
    { subscription } as unknown as Client,
    DOCUMENT,
    { after: null },
    (events) => batches.push(events),
    (problem) => problems.push(problem),
  );
  return { send: (result: Parameters<Sink>[0]) => send(result), stop, batches, problems, isOpen: () => isOpen };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("requestAnimationFrame", () => 0); // a hidden page
  vi.stubGlobal("cancelAnimationFrame", () => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the events of a moment are one batch, also on a hidden page", () => {
  const { send, batches } = subscribed();
  send({ data: 1 });
  send({ data: 2 });
  expect(batches).toEqual([]);
  vi.advanceTimersByTime(1_000);
  expect(batches).toEqual([[1, 2]]);
});

test("events that were collected are delivered when the subscription is ended", () => {
  const { send, stop, batches, isOpen } = subscribed();
  send({ data: 1 });
  stop();
  vi.advanceTimersByTime(10_000);
  expect([batches, isOpen()]).toEqual([[[1]], false]);
});

test("events before an error are delivered, and the error is reported once", () => {
  const { send, batches, problems } = subscribed();
  send({ data: 1 });
  send({ error: { graphQLErrors: [{ message: "old", extensions: { code: "CURSOR_EXPIRED" } }] } });
  expect([batches, problems]).toEqual([[[1]], [{ code: "CURSOR_EXPIRED", message: "old" }]]);
});
