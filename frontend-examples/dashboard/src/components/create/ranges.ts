/** Ranges of object models, as far as their text is certain; the server checks those of texts by their length. */

import type { ValueType } from "../../api/generated";

const BOUND = String.raw`[+-]?\d{1,20}(?:\.\d{1,20})?|2\^\d{1,2}(?:-1)?`;
const ITEM = new RegExp(`^(${BOUND})(?:\\s*\\.\\.\\s*(${BOUND}))?$`);
const SEPARATOR = /\s*[,;]\s*|\s+or\s+/;

/** Whether a number, as it was typed, is outside of a range like "0..100" or "0,1,2". Unclear ranges restrict nothing. */
export function outOfRange(type: ValueType, text: string, range: string): boolean {
  const isWhole = type === "INTEGER" || type === "UNSIGNED_INTEGER";
  if (!isWhole && type !== "FLOAT") return false;
  const trimmed = range.trim();
  // "0,5" of a float can be a decimal comma, "255" of an integer the greatest value.
  if (!trimmed.includes("..") && (type === "FLOAT" || !SEPARATOR.test(trimmed))) return false;
  const intervals = trimmed.split(SEPARATOR).map((item) => ITEM.exec(item));
  if (intervals.some((match) => match === null)) return false;
  return !intervals.some((match) => {
    const [, low, high = low] = match!;
    if (isWhole && whole(low!) !== undefined && whole(high!) !== undefined) {
      return whole(low!)! <= BigInt(text) && BigInt(text) <= whole(high!)!;
    }
    return decimal(low!) <= Number(text) && Number(text) <= decimal(high!);
  });
}

/** A bound without a fraction, exactly. */
function whole(bound: string): bigint | undefined {
  const power = /^2\^(\d+)(-1)?$/.exec(bound);
  if (power) return 2n ** BigInt(power[1]!) - (power[2] ? 1n : 0n);
  return bound.includes(".") ? undefined : BigInt(bound.replace("+", ""));
}

const decimal = (bound: string): number => Number(whole(bound) ?? bound);
