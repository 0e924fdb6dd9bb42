import { expect, test } from "vitest";

import type { OperationQuery, OperationStepsSubscription } from "../../api/generated";
import { withPage, withSteps } from "./steps";

const edge = (number: number) => ({ node: { number } });
const numbers = (data: OperationQuery) => data.deviceOperation?.transitions.edges.map(({ node }) => node.number);

/** An operation of which `read` transitions were read. */
function operation(read: number, hasNextPage: boolean): OperationQuery {
  const edges = Array.from({ length: read }, (_, index) => edge(index + 1));
  return {
    deviceOperation: { version: read, status: "QUEUED", transitions: { edges, pageInfo: { hasNextPage } } },
  } as unknown as OperationQuery;
}

const event = (number: number, status: string) =>
  ({ operationTransitions: { number, operation: { version: number, status } } }) as unknown as OperationStepsSubscription;

test("events append their steps once, in order", () => {
  const data = withSteps(operation(2, false), [event(2, "SENDING"), event(3, "QUEUED"), event(4, "SENDING")]);
  expect(numbers(data)).toEqual([1, 2, 3, 4]);
  expect([data.deviceOperation?.version, data.deviceOperation?.status]).toEqual([4, "SENDING"]);
});

test("an event behind pages that were not read changes the operation only", () => {
  const data = withSteps(operation(2, true), [event(9, "CONFIRMED")]);
  expect(numbers(data)).toEqual([1, 2]);
  expect(data.deviceOperation?.status).toBe("CONFIRMED");
});

test("an older event changes nothing", () => {
  const data = withSteps(operation(3, false), [event(2, "FAILED")]);
  expect([numbers(data), data.deviceOperation?.status]).toEqual([[1, 2, 3], "QUEUED"]);
});

test("a later page is appended, after which events append again", () => {
  const page = { edges: [edge(3), edge(4)], pageInfo: { hasNextPage: false, endCursor: null } };
  const read = withPage(operation(3, true), page as never);
  expect(numbers(read)).toEqual([1, 2, 3, 4]);
  expect(numbers(withSteps(read, [event(5, "CONFIRMED")]))).toEqual([1, 2, 3, 4, 5]);
});
