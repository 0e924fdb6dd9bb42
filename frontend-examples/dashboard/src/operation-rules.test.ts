import { expect, test } from "vitest";

import type { OperationRowFragment } from "./api/generated";
import { asksBeforeRetry, cancelableOf, canCancel, mayMatch, retryableOf, unrepeatableOf } from "./operation-rules";

test("a bulk cancel concerns the QUEUED operations of the filter", () => {
  expect(cancelableOf({ batch: "b" })).toEqual({ batch: "b", statuses: ["QUEUED"] });
  expect(cancelableOf({ statuses: ["FAILED"] }).statuses).toEqual([]);
});

test("a bulk retry concerns ended operations without a retry, by default those that did not succeed", () => {
  expect(retryableOf({ batch: "b" })).toEqual({ batch: "b", statuses: ["FAILED", "EXPIRED"], retried: false });
  expect(retryableOf({ statuses: ["QUEUED", "CONFIRMED"] }).statuses).toEqual(["CONFIRMED"]);
  expect(retryableOf({ retried: true }).statuses).toEqual([]);
});

test("the kinds with a further effect are those of the filter", () => {
  expect(unrepeatableOf({ kinds: ["READ", "EXECUTE"] }).kinds).toEqual(["EXECUTE"]);
  expect(unrepeatableOf({ kinds: ["READ"] }).kinds).toEqual([]);
  expect(asksBeforeRetry({ kind: "EXECUTE", repeatable: true })).toBe(true);
  expect(asksBeforeRetry({ kind: "WRITE", repeatable: true })).toBe(false);
  expect(asksBeforeRetry({ kind: "WRITE", repeatable: false })).toBe(true);
});

test("a request that Leshan holds can be canceled", () => {
  expect(canCancel({ status: "SENDING", waitingFor: "LESHAN_HOLDS_IT" })).toBe(true);
  expect(canCancel({ status: "SENDING", waitingFor: "DEVICE_ANSWER" })).toBe(false);
});

test("an operation matches all criteria that are given", () => {
  const operation = { endpoint: { name: "a" }, status: "FAILED", kind: "WRITE", reason: "NO_ANSWER", batch: null } as OperationRowFragment;
  expect(mayMatch({}, operation)).toBe(true);
  expect(mayMatch({ endpoint: "a", reasons: ["NO_ANSWER"], statuses: ["FAILED"] }, operation)).toBe(true);
  expect(mayMatch({ endpoint: "b" }, operation)).toBe(false);
  expect(mayMatch({ batch: "x" }, operation)).toBe(false);
});
