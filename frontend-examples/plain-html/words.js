/**
 * The words of the contract in sentences for people. Output enums may grow, so every table has a way out: a value
 * that is not known here is shown as it is.
 */

import { serverNow } from "./graphql.js";

export const OPEN = new Set(["QUEUED", "SENDING"]);

const STATUS_TONES = {
  QUEUED: "waiting",
  SENDING: "active",
  CONFIRMED: "good",
  FAILED: "bad",
  CANCELED: "idle",
  EXPIRED: "warn",
};

const PRESENCE_TONES = { ONLINE: "good", ASLEEP: "waiting", OFFLINE: "idle" };

const WAITING = {
  NOT_BEFORE: "Is not sent before the time that was given for it.",
  DEVICE_WAKE: "Waits for the device to wake: its next registration or update.",
  TURN: "Waits its turn: another operation of this device goes first.",
  CLAIM: "Ready. A dispatcher takes it within moments.",
  CAPACITY: "Waits for a free call: all calls that may be open at Leshan are open.",
  RETRY_DELAY: "The last attempt failed. It is tried again after a pause.",
  LESHAN: "Waits for Leshan, which cannot be reached.",
  PAUSED: "Held back by an operator.",
  LESHAN_HOLDS_IT: "Leshan holds it and sends it when the device wakes.",
  DISPATCHER: "No dispatcher is running, so nothing is sent.",
  DEVICE_ANSWER: "Sent. Waits for the device's answer.",
};

const REASONS = {
  DEVICE_REFUSED: "The device refused it",
  DEVICE_ERROR: "The device answered with an error",
  NO_ANSWER: "The device did not answer",
  OUTCOME_UNKNOWN: "It may have reached the device, and doing it twice is not safe",
  INVALID_REQUEST: "Leshan could not take the request",
  NOT_REGISTERED: "The device was not registered",
  DEVICE_ASLEEP: "The device was asleep",
  DELAYED_BY_LESHAN: "Leshan took it and holds it until the device wakes",
  LESHAN_UNREACHABLE: "Leshan could not be reached",
  LESHAN_REFUSED: "Leshan refused the call",
  LEASE_LOST: "The dispatcher that was sending it was lost",
  RELEASED: "Given back before it was sent",
  EXPIRED: "Its time ran out before it could be sent",
  CANCELED_BY_USER: "Canceled by a user",
  SUPERSEDED: "A newer write to the same path took its place",
  SEQUENCE_STOPPED: "An earlier operation of its sequence was not confirmed",
  ENDPOINT_DELETED: "The endpoint was deleted",
};

const DELIVERIES = {
  NOT_SENT: "Not sent",
  MAY_HAVE_REACHED: "May have reached the device",
  ANSWERED: "Answered by the device",
};

export const statusTone = (status) => STATUS_TONES[status] ?? "unknown";
export const presenceTone = (presence) => PRESENCE_TONES[presence] ?? "unknown";
export const reasonText = (reason) => (reason ? REASONS[reason] ?? `Reason: ${reason}` : "");
export const deliveryText = (delivery) => DELIVERIES[delivery] ?? delivery;
export const hasEnded = (operation) => operation.finishedAt !== null;

/** Why an operation stands where it stands, in a sentence or two. */
export function explain(operation) {
  return hasEnded(operation) ? explainEnd(operation) : explainWaiting(operation);
}

function explainWaiting({ waitingFor, reason, attempts }) {
  const now = WAITING[waitingFor] ?? `Waits for ${waitingFor}.`;
  const before = attempts > 0 && reason ? ` Last time: ${lowerFirst(reasonText(reason))}.` : "";
  return now + before;
}

function explainEnd({ status, reason, delivery, deviceStatus }) {
  if (status === "CONFIRMED") return `The device confirmed it${deviceStatus ? `: ${deviceStatus}` : ""}.`;
  const why = reason ? `${reasonText(reason)}.` : "";
  const perhaps = (status === "CANCELED" || status === "EXPIRED") && delivery === "MAY_HAVE_REACHED";
  return perhaps ? `${why} An earlier attempt may still arrive.`.trim() : why;
}

function lowerFirst(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** What is asked of the device in one line: `WRITE /5/0/1`. */
export function operationTitle({ kind, path, paths }) {
  if (path) return `${kind} ${path}`;
  const [first, ...others] = paths;
  if (!first) return kind;
  return others.length ? `${kind} ${first} and ${others.length} more` : `${kind} ${first}`;
}

/** The value that an operation carries, in one line; "" when it carries none. */
export function operationValue({ value, values, attributes, arguments: args }) {
  const carried = value ?? values ?? attributes ?? args;
  return carried === null || carried === undefined ? "" : valueText(carried);
}

/** What the device answered, in one line: values by path, links, or a location; "" when there is nothing to show. */
export function answerText({ answer }) {
  if (answer === null || answer === undefined) return "";
  if (typeof answer !== "object" || Array.isArray(answer)) return valueText(answer);
  return Object.entries(answer).map(([name, value]) => `${name} = ${valueText(value)}`).join("  ");
}

/** A value in the contract's form in one line. */
export function valueText(value) {
  if (typeof value === "string") return value;
  if (isObjectLink(value)) return `${value.objectId}:${value.objectInstanceId}`;
  if (isMultiple(value)) return Object.entries(value).map(([id, one]) => `${id}: ${valueText(one)}`).join(", ");
  return JSON.stringify(value);
}

function isMultiple(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).every((key) => /^\d+$/.test(key));
}

function isObjectLink(value) {
  return value !== null && typeof value === "object" && "objectId" in value && "objectInstanceId" in value;
}

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of a device with the characters made visible that hide or turn around other text. */
export function visible(text) {
  return text.replace(CONTROL, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });

export const clockTime = (iso) => CLOCK.format(new Date(iso));
export const fullTime = (iso) => FULL.format(new Date(iso));

/** "4 s", "12 min", "3 h", "5 d". */
export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export const ago = (iso) => `${duration(serverNow() - Date.parse(iso))} ago`;

/** "awake for 12 s", or "" when the window is over. */
export function awakeFor(iso) {
  const left = Date.parse(iso) - serverNow();
  return left > 0 ? `awake for ${duration(left)}` : "";
}

/** "expires in 3 min". */
export function expiresIn(iso) {
  const left = Date.parse(iso) - serverNow();
  return left > 0 ? `expires in ${duration(left)}` : "expires now";
}
