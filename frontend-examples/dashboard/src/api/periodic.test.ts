import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { periodically } from "./periodic";

let page: EventTarget & { hidden: boolean };

beforeEach(() => {
  vi.useFakeTimers();
  page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal("document", page);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the next call begins after the last one has ended", async () => {
  let calls = 0;
  let end = () => {};
  const stop = periodically(100, () => {
    calls++;
    return new Promise<void>((resolve) => (end = resolve));
  });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls).toBe(1);
  end();
  await vi.advanceTimersByTimeAsync(100);
  expect(calls).toBe(2);
  stop();
  end();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls).toBe(2);
});

test("a hidden page does nothing until it is shown", async () => {
  let calls = 0;
  const stop = periodically(100, () => calls++);
  page.hidden = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(calls).toBe(0);
  page.hidden = false;
  page.dispatchEvent(new Event("visibilitychange"));
  await vi.advanceTimersByTimeAsync(0);
  expect(calls).toBe(1);
  stop();
});
