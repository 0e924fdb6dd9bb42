/** Terms of the API as sentences for people. Output enums may grow: a value that is not known here is shown unchanged. */

import type {
  CampaignStatus,
  CampaignTargetState,
  Delivery,
  FirmwareUpdateState,
  ObservationState,
  OperationRowFragment,
  OperationStatus,
  Presence,
  ReasonCode,
  WaitingFor,
} from "./api/generated";

/** Colors by meaning; each has a class of its name. */
export type Tone = "good" | "bad" | "warn" | "active" | "waiting" | "idle";

function lookUp<Key extends string, Value>(table: Record<Key, Value>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key as Key] : undefined;
}

const STATUS_TONES: Record<OperationStatus, Tone> = {
  QUEUED: "waiting",
  SENDING: "active",
  CONFIRMED: "good",
  FAILED: "bad",
  CANCELED: "idle",
  EXPIRED: "warn",
};

const PRESENCE_TONES: Record<Presence, Tone> = { ONLINE: "good", ASLEEP: "waiting", OFFLINE: "idle" };

const UPDATE_TONES: Record<FirmwareUpdateState, Tone> = {
  QUEUED: "waiting",
  PREPARING: "active",
  DELIVERING: "active",
  DOWNLOADING: "active",
  DOWNLOADED: "active",
  UPDATING: "active",
  VERIFYING: "active",
  SUCCEEDED: "good",
  FAILED: "bad",
  CANCELED: "idle",
};

const CAMPAIGN_TONES: Record<CampaignStatus, Tone> = {
  SCHEDULED: "waiting",
  RUNNING: "active",
  PAUSED: "warn",
  WAITING_FOR_APPROVAL: "warn",
  ABORTED: "bad",
  COMPLETED: "good",
  CANCELED: "idle",
};

const TARGET_TONES: Record<CampaignTargetState, Tone> = {
  WAITING: "waiting",
  RUNNING: "active",
  SUCCEEDED: "good",
  FAILED: "bad",
  CANCELED: "idle",
  SKIPPED: "idle",
};

const OBSERVATION_TONES: Record<ObservationState, Tone> = {
  PENDING: "waiting",
  ESTABLISHED: "good",
  STALE: "warn",
  REFUSED: "bad",
  NOT_SUPPORTED: "idle",
};

export const PRESENCES = Object.keys(PRESENCE_TONES) as Presence[];
export const UPDATE_STATES = Object.keys(UPDATE_TONES) as FirmwareUpdateState[];
export const CAMPAIGN_STATUSES = Object.keys(CAMPAIGN_TONES) as CampaignStatus[];
export const TARGET_STATES = Object.keys(TARGET_TONES) as CampaignTargetState[];

export const observationTone = (state: string): Tone => lookUp(OBSERVATION_TONES, state) ?? "idle";
export const updateTone = (state: string): Tone => lookUp(UPDATE_TONES, state) ?? "idle";
export const campaignTone = (status: string): Tone => lookUp(CAMPAIGN_TONES, status) ?? "idle";
export const targetTone = (state: string): Tone => lookUp(TARGET_TONES, state) ?? "idle";
export const statusTone = (status: string): Tone => lookUp(STATUS_TONES, status) ?? "idle";
export const presenceTone = (presence: string): Tone => lookUp(PRESENCE_TONES, presence) ?? "idle";

const WAITING: Record<WaitingFor, string> = {
  NOT_BEFORE: "Not before its time",
  DEVICE_WAKE: "Waits until the device wakes",
  TURN: "Waits for an earlier operation of this device",
  CLAIM: "Ready: a dispatcher sends it within moments",
  CAPACITY: "Waits for a free call to Leshan",
  RETRY_DELAY: "Waits before the next attempt",
  LESHAN: "Waits for Leshan, which cannot be reached",
  PAUSED: "Dispatch is paused",
  LESHAN_HOLDS_IT: "Leshan holds it until the device wakes",
  DISPATCHER: "No dispatcher is running",
  DEVICE_ANSWER: "Sent; waits for the device's response",
  NOTHING: "Has ended",
};

const REASONS: Record<ReasonCode, string> = {
  DEVICE_REFUSED: "The device refused it",
  DEVICE_ERROR: "The device responded with an error",
  NO_ANSWER: "The device did not respond",
  OUTCOME_UNKNOWN: "The device may have executed it, and repeating it is not safe",
  INVALID_REQUEST: "Leshan rejected the request as invalid",
  NOT_REGISTERED: "The device was not registered",
  DEVICE_ASLEEP: "The device was asleep",
  DELAYED_BY_LESHAN: "Leshan holds it until the device wakes",
  LESHAN_UNREACHABLE: "Leshan could not be reached",
  LESHAN_REFUSED: "Leshan refused the call",
  LEASE_LOST: "The dispatcher that sent it was lost",
  RELEASED: "Returned to the queue before it was sent",
  EXPIRED: "Its time to live ended before it was sent",
  CANCELED_BY_USER: "Canceled by a user",
  SUPERSEDED: "Superseded by a newer write to the same path",
  SEQUENCE_STOPPED: "An earlier operation of its sequence was not confirmed",
  ENDPOINT_DELETED: "The endpoint was deleted",
};

export const REASON_CODES = Object.keys(REASONS) as ReasonCode[];

const DELIVERIES: Record<Delivery, string> = {
  NOT_SENT: "Not sent",
  MAY_HAVE_REACHED: "May have reached the device",
  ANSWERED: "The device responded",
};

export const reasonText = (reason: string): string => lookUp(REASONS, reason) ?? reason;
export const waitingText = (waitingFor: string): string => lookUp(WAITING, waitingFor) ?? `Waits for ${waitingFor}`;
export const deliveryText = (delivery: string): string => lookUp(DELIVERIES, delivery) ?? delivery;

type Explained = Pick<
  OperationRowFragment,
  "finishedAt" | "status" | "reason" | "waitingFor" | "attempts" | "deviceStatus" | "delivery"
>;

/** Why an operation has its status, in one sentence. */
export function explain(operation: Explained): string {
  const { finishedAt, reason, waitingFor, attempts, deviceStatus, delivery, status } = operation;
  if (finishedAt === null) {
    const before = attempts > 0 && reason ? ` (last attempt: ${lowerFirst(reasonText(reason))})` : "";
    return waitingText(waitingFor) + before;
  }
  if (status === "CONFIRMED") return deviceStatus ?? "Confirmed by the device";
  const why = [reason && reasonText(reason), status === "FAILED" && deviceStatus].filter(Boolean).join(": ");
  const mayArrive = status !== "FAILED" && delivery === "MAY_HAVE_REACHED";
  return mayArrive ? `${why}. An earlier attempt may still arrive` : why;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** The request in one line: `WRITE /5/0/1`. */
export function operationTitle({ kind, path, paths }: { kind: string; path: string | null; paths: readonly string[] }): string {
  if (path) return `${kind} ${path}`;
  const [first, ...others] = paths;
  if (!first) return kind;
  return others.length ? `${kind} ${first} and ${others.length} more` : `${kind} ${first}`;
}

/** The value, attributes or arguments of an operation in one line; "" if there are none. */
export function operationValue(operation: Pick<OperationRowFragment, "value" | "values" | "attributes" | "arguments">): string {
  const carried = operation.value ?? operation.values ?? operation.attributes ?? operation.arguments;
  return carried === null || carried === undefined ? "" : valueText(carried);
}

/** The device's response in one line: values by path, links or a location; "" if there is none. */
export function answerText(answer: unknown): string {
  if (answer === null || answer === undefined) return "";
  if (typeof answer !== "object" || Array.isArray(answer)) return valueText(answer);
  return Object.entries(answer)
    .map(([name, value]) => `${name} = ${valueText(value)}`)
    .join("  ");
}

/** A resource value in the API's JSON form, in one line. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  if ("objectId" in value && "objectInstanceId" in value) return `${value.objectId}:${value.objectInstanceId}`;
  const entries = Object.entries(value);
  if (entries.every(([name]) => /^\d+$/.test(name))) return entries.map(([id, one]) => `${id}: ${valueText(one)}`).join(", ");
  return JSON.stringify(value);
}

// Characters that are invisible, or that change the direction of the text around them.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of a device, with invisible characters written as escapes. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** The value of a filter's criterion. */
export function criterionText(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

const NUMBER = new Intl.NumberFormat("en");
export const formatNumber = (value: number): string => NUMBER.format(value);

/** "1 operation", "1,204 operations". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${NUMBER.format(count)} ${count === 1 ? one : many}`;
}
