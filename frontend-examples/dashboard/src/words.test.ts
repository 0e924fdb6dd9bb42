import { expect, test } from "vitest";

import { explain } from "./words";

const FAILED = {
  finishedAt: "2026-11-23T10:00:00Z",
  status: "FAILED",
  reason: "DEVICE_REFUSED",
  waitingFor: "NOTHING",
  attempts: 1,
  deviceStatus: "NOT_FOUND(404)",
  delivery: "ANSWERED",
} as const;

test("a failure is explained by its reason and the device's response", () => {
  expect(explain(FAILED)).toBe("The device refused it: NOT_FOUND(404)");
  expect(explain({ ...FAILED, reason: "NO_ANSWER", deviceStatus: null })).toBe("The device did not respond");
});

test("a canceled operation that may have been sent says that it may still arrive", () => {
  const canceled = { ...FAILED, status: "CANCELED", reason: "CANCELED_BY_USER", delivery: "MAY_HAVE_REACHED" } as const;
  expect(explain(canceled)).toBe("Canceled by a user. An earlier attempt may still arrive");
});
