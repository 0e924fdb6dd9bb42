import { expect, test } from "vitest";

import { clockTime, durationText, inputTime, instantOf, isForever } from "./times";

test("midnight is the hour 0", () => {
  expect(clockTime(new Date(2026, 0, 1))).toMatch(/^0?0:00:00/);
});

test.each(["2026-01-01T00:00:00", "2026-03-29T01:59:59", "2026-07-15T12:30:45", "2026-10-25T23:00:00"])(
  "%s is entered and shown unchanged",
  (text) => {
    expect(inputTime(instantOf(text))).toBe(text);
  },
);

test.each(["", "today", "12345-01-01T00:00"])("%j is no time", (text) => {
  expect([instantOf(text), inputTime(text)]).toEqual([undefined, ""]);
});

test("a duration has the largest unit that says enough", () => {
  expect([0, 119, 120, 7_200, 172_800].map(durationText)).toEqual(["0 s", "119 s", "2 min", "2 h", "2 d"]);
});

test("a time in the year 9999 is no end", () => {
  expect([isForever("9999-12-31T23:59:59Z"), isForever("2026-01-01T00:00:00Z"), isForever(null)]).toEqual([true, false, false]);
});
