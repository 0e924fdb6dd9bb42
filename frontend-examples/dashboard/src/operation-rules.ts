/** Actions that an operation permits, by its status and kind. The server checks them again. */

import type { DeviceOperationFilter, OperationKind, OperationRowFragment, OperationStatus } from "./api/generated";

export const STATUSES: readonly OperationStatus[] = ["QUEUED", "SENDING", "CONFIRMED", "FAILED", "CANCELED", "EXPIRED"];
const ENDED: readonly OperationStatus[] = ["CONFIRMED", "FAILED", "CANCELED", "EXPIRED"];

export const KINDS: readonly OperationKind[] = [
  "READ",
  "WRITE",
  "EXECUTE",
  "CREATE",
  "DELETE",
  "DISCOVER",
  "OBSERVE",
  "CANCEL_OBSERVE",
  "WRITE_ATTRIBUTES",
  "READ_COMPOSITE",
  "WRITE_COMPOSITE",
  "OBSERVE_COMPOSITE",
  "CANCEL_OBSERVE_COMPOSITE",
];

/** Kinds whose repetition has a further effect on the device. */
const UNREPEATABLE: readonly OperationKind[] = ["EXECUTE", "CREATE", "DELETE"];
/** Statuses of a bulk retry whose filter names none. */
const RETRIED_BY_DEFAULT: readonly OperationStatus[] = ["FAILED", "EXPIRED"];

export const canCancel = ({ status, waitingFor }: Pick<OperationRowFragment, "status" | "waitingFor">): boolean =>
  status === "QUEUED" || waitingFor === "LESHAN_HOLDS_IT";

export const canRetry = ({ finishedAt }: Pick<OperationRowFragment, "finishedAt">): boolean => finishedAt !== null;

/** Whether the viewer is asked before the operation is sent to the device once more. */
export const asksBeforeRetry = ({ repeatable, kind }: Pick<OperationRowFragment, "repeatable" | "kind">): boolean =>
  !repeatable || UNREPEATABLE.includes(kind);

/** The operations of a filter that can be canceled. */
export function cancelableOf(filter: DeviceOperationFilter): DeviceOperationFilter {
  const matches = !filter.statuses || filter.statuses.includes("QUEUED");
  return { ...filter, statuses: matches ? ["QUEUED"] : [] };
}

/** The operations of a filter that a bulk retry repeats: those that have ended and were not retried yet. */
export function retryableOf(filter: DeviceOperationFilter): DeviceOperationFilter {
  const statuses = filter.statuses ? filter.statuses.filter((status) => ENDED.includes(status)) : [...RETRIED_BY_DEFAULT];
  return { ...filter, statuses: filter.retried ? [] : statuses, retried: false };
}

/** Those of a filter whose repetition has a further effect on the device. */
export function unrepeatableOf(filter: DeviceOperationFilter): DeviceOperationFilter {
  const kinds = filter.kinds ? filter.kinds.filter((kind) => UNREPEATABLE.includes(kind)) : [...UNREPEATABLE];
  return { ...filter, kinds };
}

/** Whether an operation may match a filter, by the criteria that a row shows. */
export function mayMatch(filter: DeviceOperationFilter, operation: OperationRowFragment): boolean {
  const { endpoint, statuses, kinds, reasons, batch, createdBy } = filter;
  return (
    (!endpoint || operation.endpoint.name === endpoint) &&
    (!statuses || statuses.includes(operation.status)) &&
    (!kinds || kinds.includes(operation.kind)) &&
    (!reasons || (operation.reason !== null && reasons.includes(operation.reason))) &&
    (!batch || operation.batch === batch) &&
    (!createdBy || operation.createdBy === createdBy)
  );
}
