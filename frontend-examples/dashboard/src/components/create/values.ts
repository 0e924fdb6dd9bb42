/** Values as they are typed, and the `ResourceValueInput` of them. */

import type { ResourceValueInput, ValueType } from "../../api/generated";
import { instantOf } from "../../times";
import type { Resource } from "./models";
import { outOfRange } from "./ranges";

/** An input that is invalid; `field` is its GraphQL path within the input. */
export class FieldError extends Error {
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

export const VALUE_TYPES: readonly ValueType[] = [
  "STRING",
  "INTEGER",
  "UNSIGNED_INTEGER",
  "FLOAT",
  "BOOLEAN",
  "OPAQUE",
  "TIME",
  "OBJLNK",
  "CORELINK",
];

const LEAST = { INTEGER: -(2n ** 63n), UNSIGNED_INTEGER: 0n };
const MOST = { INTEGER: 2n ** 63n - 1n, UNSIGNED_INTEGER: 2n ** 64n - 1n };

/** The value of one type that a text means. 64-bit integers stay digits: a number of JavaScript would change them. */
export function singleValue(type: ValueType, text: string, field: string, resource?: Resource): ResourceValueInput {
  const value = read(type, text, field);
  if (resource?.range && outOfRange(type, type === "STRING" ? text : text.trim(), resource.range)) {
    const what = type === "STRING" ? "The text is too long" : `${text.trim()} is out of range`;
    throw new FieldError(field, `${what}; ${resource.range} is expected.`);
  }
  return value;
}

function read(type: ValueType, text: string, field: string): ResourceValueInput {
  switch (type) {
    case "STRING":
      return { string: text };
    case "INTEGER":
      return { integer: digits(type, text, field) };
    case "UNSIGNED_INTEGER":
      return { unsignedInteger: digits(type, text, field) };
    case "FLOAT":
      return { float: finite(text, field) };
    case "BOOLEAN":
      if (text !== "true" && text !== "false") throw new FieldError(field, "Choose true or false.");
      return { boolean: text === "true" };
    case "OPAQUE":
      return { opaque: hex(text, field) };
    case "TIME":
      return { time: instant(text, field) };
    case "OBJLNK":
      return { objectLink: objectLink(text, field) };
    case "CORELINK":
      return { coreLink: text };
  }
}

function digits(type: "INTEGER" | "UNSIGNED_INTEGER", text: string, field: string): string {
  const trimmed = text.trim();
  if (!/^[+-]?\d{1,20}$/.test(trimmed)) throw new FieldError(field, "A whole number is expected.");
  const value = BigInt(trimmed.replace("+", ""));
  if (value < LEAST[type] || value > MOST[type]) throw new FieldError(field, `${LEAST[type]} to ${MOST[type]} is expected.`);
  return String(value);
}

function finite(text: string, field: string): number {
  const value = Number(text);
  if (!text.trim() || !Number.isFinite(value)) throw new FieldError(field, "A number is expected, such as 21.5.");
  return value;
}

function hex(text: string, field: string): string {
  const value = text.replace(/[\s:]/g, "");
  if (!/^([0-9a-fA-F]{2})*$/.test(value))
    throw new FieldError(field, "Two hexadecimal digits for each byte are expected, such as 00ff10.");
  return value;
}

/** The time of a text of `<input type="datetime-local">`, which is in the viewer's time zone. */
export function instant(text: string, field: string): string {
  const at = instantOf(text);
  if (at === undefined) throw new FieldError(field, "A date and a time are expected.");
  return at;
}

function objectLink(text: string, field: string) {
  const match = /^\s*(\d{1,5})\s*[:/]\s*(\d{1,5})\s*$/.exec(text);
  if (!match) throw new FieldError(field, "An object and an instance are expected, such as 3303:0.");
  return { objectId: Number(match[1]), objectInstanceId: Number(match[2]) };
}

/** One instance of a multiple-instance resource, as it is typed. */
export interface InstanceText {
  id: string;
  text: string;
}

export function multipleValue(
  type: ValueType,
  instances: readonly InstanceText[],
  field: string,
  resource?: Resource,
): ResourceValueInput {
  const seen = new Set<number>();
  const multiple = instances.map(({ id, text }, index) => {
    const at = `${field}.multiple.${index}`;
    const number = Number(id);
    if (!/^\d{1,5}$/.test(id.trim()) || number > 65_534) throw new FieldError(`${at}.id`, "An id from 0 to 65534 is expected.");
    if (seen.has(number)) throw new FieldError(`${at}.id`, `The id ${number} occurs twice.`);
    seen.add(number);
    return { id: number, value: singleValue(type, text, `${at}.value`, resource) };
  });
  return { multiple };
}

export function nodeValue(text: string, field: string): ResourceValueInput {
  let node: unknown;
  try {
    node = JSON.parse(text, (_, value: unknown) => {
      if (typeof value === "number" && isInexact(value))
        throw new FieldError(field, `${value} would not be sent exactly: write it in quotes.`);
      return value;
    });
  } catch (error) {
    if (error instanceof FieldError) throw error;
    throw new FieldError(field, "JSON is expected: an object instance in Leshan's node form.");
  }
  return { node };
}

/** Whether the digits of a number may have been others in the text: JavaScript's integers have 53 bits. */
const isInexact = (value: number): boolean =>
  !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value));
