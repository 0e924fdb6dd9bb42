/** Ranges of object models, as far as their text is certain. Those of a STRING bound its length; the server also checks other ones. */

import type { ValueType } from "../../api/generated";

const BOUND = String.raw`[+-]?\d{1,20}(?:\.\d{1,20})?|2\^\d{1,2}(?:-1)?`;
const ITEM = new RegExp(`^(${BOUND})(?:\\s*\\.\\.\\s*(${BOUND}))?$`);
const SEPARATOR = /\s*[,;]\s*|\s+or\s+/;

/**
 * Whether a number, as it was typed, or the length of a STRING is outside of a range like "0..100" or "0,1,2". Unclear
 * ranges restrict nothing.
 */
export function outOfRange(type: ValueType, text: string, range: string): boolean {
  if (type === "STRING") return isTooLong(text, range);
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

/** Whether a text is longer than "0..255", "255" or "255 bytes" permits: in characters, unless the range is in bytes. */
function isTooLong(text: string, range: string): boolean {
  const most = /^(?:0\s*\.\.\s*)?(\d{1,9})(?:\s*(bytes?|characters?))?$/i.exec(range.trim());
  if (!most) return false;
  const isInBytes = most[2]?.toLowerCase().startsWith("b");
  return (isInBytes ? new TextEncoder().encode(text).length : [...text].length) > Number(most[1]);
}

/** A bound without a fraction, exactly. */
function whole(bound: string): bigint | undefined {
  const power = /^2\^(\d+)(-1)?$/.exec(bound);
  if (power) return 2n ** BigInt(power[1]!) - (power[2] ? 1n : 0n);
  return bound.includes(".") ? undefined : BigInt(bound.replace("+", ""));
}

const decimal = (bound: string): number => Number(whole(bound) ?? bound);
