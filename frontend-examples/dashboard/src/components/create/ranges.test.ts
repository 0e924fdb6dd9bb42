import { expect, test } from "vitest";

import type { ValueType } from "../../api/generated";
import { outOfRange } from "./ranges";

test.each<[ValueType, string, string, boolean]>([
  ["INTEGER", "100", "0..100", false],
  ["INTEGER", "101", "0..100", true],
  ["INTEGER", "3", "0,1,2", true],
  ["INTEGER", "255", "0..247, 255", false],
  ["INTEGER", "256", "255", false],
  ["INTEGER", "5", "0-3", false],
  ["UNSIGNED_INTEGER", "18446744073709551615", "0..2^64-1", false],
  ["UNSIGNED_INTEGER", "18446744073709551615", "0..18446744073709551614", true],
  ["FLOAT", "3.8", "0; 3.8..20.5", false],
  ["FLOAT", "1", "0; 3.8..20.5", true],
  ["FLOAT", "7", "0,5", false],
  ["STRING", "long", "0..2", true],
  ["STRING", "long", "4", false],
  ["STRING", "👍👍", "0..2", false],
  ["STRING", "üü", "0..3 bytes", true],
  ["STRING", "long", "1..2", false],
  ["STRING", "long", "0: short", false],
])("%s %s in %j is out of range: %s", (type, text, range, expected) => {
  expect(outOfRange(type, text, range)).toBe(expected);
});
