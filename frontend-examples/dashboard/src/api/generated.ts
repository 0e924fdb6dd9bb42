// Written by `npm run generate` from the .graphql files and schema.graphql.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** Whether a request reached the device: the highest value of all attempts of an operation. */
export type Delivery =
  /** No request reached the device. */
  | 'NOT_SENT'
  /** A request was sent and no answer arrived: the device may have received it, or may still receive it. */
  | 'MAY_HAVE_REACHED'
  /** The device answered a request. */
  | 'ANSWERED';

/** Criteria for operations; an operation has to match all that are given. */
export type DeviceOperationFilter = {
  /** Exact name of the endpoint. */
  endpoint?: string | null | undefined;
  /** Any of these statuses; an empty list matches nothing. */
  statuses?: Array<OperationStatus> | null | undefined;
  /** Any of these kinds; an empty list matches nothing. */
  kinds?: Array<OperationKind> | null | undefined;
  /** Path at or below which `path` lies: "/3" matches object 3 and everything below it, not object 3303. Composite kinds do not match. */
  pathPrefix?: string | null | undefined;
  /** Time of creation, exclusive minimum. */
  createdAfter?: string | null | undefined;
  /** Time of creation, exclusive maximum. */
  createdBefore?: string | null | undefined;
  /** Any of these exact endpoint names, at most 1,000; an empty list matches nothing. */
  endpoints?: Array<string> | null | undefined;
  /** Any of these reasons for the last transition; an empty list matches nothing. */
  reasons?: Array<ReasonCode> | null | undefined;
  /** Exact batch name given at creation. */
  batch?: string | null | undefined;
  /** Exact name of the user who created the operation. */
  createdBy?: string | null | undefined;
  /** Whether there is an operation that retries this one (`retryOf`). */
  retried?: boolean | null | undefined;
};

/** Criteria for endpoints; an endpoint has to match all that are given. */
export type EndpointFilter = {
  /** Substring of the name, case-sensitive and without wildcards. */
  nameContains?: string | null | undefined;
  /** Any of these presences; an empty list matches nothing. */
  presences?: Array<Presence> | null | undefined;
  /** Any of these exact names, at most 1,000; an empty list matches nothing. */
  names?: Array<string> | null | undefined;
  /** All of these tags, at most 50; an empty list matches every endpoint. */
  tags?: Array<string> | null | undefined;
  /** Id of an object that the endpoint's current registration has. */
  objectId?: number | null | undefined;
  /** `lastSeenAt`, exclusive minimum. */
  lastSeenAfter?: string | null | undefined;
  /** `lastSeenAt`, exclusive maximum. Endpoints that were never seen do not match. */
  lastSeenBefore?: string | null | undefined;
  /** Whether the endpoint has operations that are QUEUED or SENDING. */
  hasPending?: boolean | null | undefined;
  /** Whether the endpoint is overdue (`Endpoint.overdue`). */
  overdue?: boolean | null | undefined;
};

/** Kind of LwM2M operation. */
export type OperationKind =
  /** Read an object, object instance, resource or resource instance. */
  | 'READ'
  /** Write an object instance, resource or resource instance. */
  | 'WRITE'
  /** Execute a resource. Not retried after an unknown outcome, unless `repeatable` is true. */
  | 'EXECUTE'
  /** Create an object instance. Not retried after an unknown outcome, unless `repeatable` is true. */
  | 'CREATE'
  /** Delete an object instance. */
  | 'DELETE'
  /** List the instances, resources and attributes of an object, object instance or resource. */
  | 'DISCOVER'
  /** Start the observation of a path. */
  | 'OBSERVE'
  /** Cancel the observation of a path. Leshan does this without a request to the device. */
  | 'CANCEL_OBSERVE'
  /** Set the notification attributes of a path. */
  | 'WRITE_ATTRIBUTES'
  /** Read several paths in one request (LwM2M 1.1). */
  | 'READ_COMPOSITE'
  /** Write several resources or resource instances in one request (LwM2M 1.1). */
  | 'WRITE_COMPOSITE'
  /** Start one observation of several paths (LwM2M 1.1). */
  | 'OBSERVE_COMPOSITE'
  /** Cancel a composite observation (LwM2M 1.1). Leshan does this without a request to the device. */
  | 'CANCEL_OBSERVE_COMPOSITE';

/** Status of an operation. */
export type OperationStatus =
  /** Not sent yet, or waiting for a retry; `waitingFor` names the next event that it needs. */
  | 'QUEUED'
  /** An attempt is in progress, or a stock Leshan server holds the request until the device wakes. */
  | 'SENDING'
  /** Final: the operation succeeded. */
  | 'CONFIRMED'
  /** Final: the operation failed or its outcome is unknown, according to `reason`. */
  | 'FAILED'
  /** Final: a user canceled the operation, a newer write superseded it, its `sequence` stopped, or its observation rule does not want it any more. */
  | 'CANCELED'
  /** Final: the time to live (`ttlSeconds`) ended while the operation was QUEUED. */
  | 'EXPIRED';

/** Reachability of a device. */
export type Presence =
  /** Registered and reachable now. */
  | 'ONLINE'
  /** Registered, and assumed not to be listening. */
  | 'ASLEEP'
  /** Not registered. */
  | 'OFFLINE';

/** Reason for a status transition of an operation. */
export type ReasonCode =
  /** The device answered with an error that is not retried. */
  | 'DEVICE_REFUSED'
  /** The device answered with a temporary error, or its answer was invalid or too large. */
  | 'DEVICE_ERROR'
  /** The device did not answer. The operation is FAILED once `maxAttempts` is used up; a composite kind that the device never answers, at the first attempt. */
  | 'NO_ANSWER'
  /** The device may have executed the operation, which is not retried because `repeatable` is false. */
  | 'OUTCOME_UNKNOWN'
  /** Leshan rejected the request as invalid; nothing was sent to the device. */
  | 'INVALID_REQUEST'
  /** The device is not registered at Leshan; nothing was sent. */
  | 'NOT_REGISTERED'
  /** The device is asleep; nothing was sent. */
  | 'DEVICE_ASLEEP'
  /** A stock Leshan server holds the request until the device's next wake. */
  | 'DELAYED_BY_LESHAN'
  /** Leshan could not be reached, or a proxy in front of it returned an error. */
  | 'LESHAN_UNREACHABLE'
  /** Leshan, or a proxy in front of it, rejected the call, for example for authentication or load. */
  | 'LESHAN_REFUSED'
  /** The process that made the attempt did not report a result before its lease ended. */
  | 'LEASE_LOST'
  /** The attempt ended before anything was sent to the device. */
  | 'RELEASED'
  /** The time to live (`ttlSeconds`) ended. */
  | 'EXPIRED'
  /** A user canceled the operation. */
  | 'CANCELED_BY_USER'
  /** A newer write to the same path, created with `supersede`, replaced the operation, or the observation rule that created it does not want it any more. */
  | 'SUPERSEDED'
  /** An earlier operation of the same `sequence` ended otherwise than CONFIRMED. */
  | 'SEQUENCE_STOPPED'
  /** The endpoint was deleted. */
  | 'ENDPOINT_DELETED';

/** Role of a caller. Each role includes those before it. */
export type Role =
  /** Reads everything but the administration of access. */
  | 'VIEWER'
  /** Also acts on devices: all mutations but those of access. */
  | 'OPERATOR'
  /** Also manages API tokens and reads the audit. */
  | 'ADMIN';

/** LwM2M data type of a value (Core 1.1, appendix C). */
export type ValueType =
  /** Unicode text. */
  | 'STRING'
  /** Signed 64-bit integer. */
  | 'INTEGER'
  /** Unsigned 64-bit integer. */
  | 'UNSIGNED_INTEGER'
  /** Double-precision floating-point number. */
  | 'FLOAT'
  /** True or false. */
  | 'BOOLEAN'
  /** Sequence of bytes. */
  | 'OPAQUE'
  /** Point in time. */
  | 'TIME'
  /** Link to an object instance. */
  | 'OBJLNK'
  /** Links in CoRE Link Format (RFC 6690). */
  | 'CORELINK';

/** Event or condition that an operation waits for next. */
export type WaitingFor =
  /** The time given as `notBefore`. */
  | 'NOT_BEFORE'
  /** The device's next registration or registration update. */
  | 'DEVICE_WAKE'
  /** Another operation of the same endpoint: one that goes first, one whose retry has to precede this operation, or an earlier one of its `sequence`. */
  | 'TURN'
  /** A dispatcher, which claims the operation within moments: nothing blocks it. */
  | 'CLAIM'
  /** The end of another call to Leshan: the limit of open calls is reached, or their share for devices that did not answer last time. */
  | 'CAPACITY'
  /** The end of the delay after a failed attempt, where no wake is due: the device does not sleep, or the fault was Leshan's. */
  | 'RETRY_DELAY'
  /** Leshan, which is unreachable or has not yet reported the result of a call whose answer was lost. */
  | 'LESHAN'
  /** The end of a pause, by `resumeDispatch`. */
  | 'PAUSED'
  /** The device's next wake, at which a stock Leshan server (not Reveille's own) sends the request that it holds. */
  | 'LESHAN_HOLDS_IT'
  /** A running dispatcher: none has reported within the last 10 seconds. */
  | 'DISPATCHER'
  /** The device's answer to the request that was sent. */
  | 'DEVICE_ANSWER'
  /** Nothing: the operation has ended. */
  | 'NOTHING';

export type EndpointRowFragment = { id: string, name: string, presence: Presence, awakeUntil: string | null, lastSeenAt: string | null, pendingOperations: number, overdue: boolean, tags: Array<string> };

export type OperationRowFragment = { id: string, kind: OperationKind, path: string | null, paths: Array<string>, valueType: ValueType | null, value: unknown, values: unknown, arguments: string | null, attributes: unknown, status: OperationStatus, version: number, delivery: Delivery, attempts: number, maxAttempts: number, createdAt: string, lastAttemptAt: string | null, finishedAt: string | null, expiresAt: string | null, notBefore: string | null, reason: ReasonCode | null, detail: string | null, waitingFor: WaitingFor, deviceStatus: string | null, answer: unknown, createdBy: string | null, repeatable: boolean, priority: number, batch: string | null, sequence: string | null, endpoint: { name: string, presence: Presence } };

export type TransitionFragment = { cursor: string, number: number, fromStatus: OperationStatus | null, toStatus: OperationStatus, attempt: number, reason: ReasonCode | null, detail: string | null, at: string };

export type TransitionsSubscriptionVariables = Exact<{
  endpoint?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type TransitionsSubscription = { operationTransitions: { cursor: string, number: number, fromStatus: OperationStatus | null, toStatus: OperationStatus, attempt: number, reason: ReasonCode | null, detail: string | null, at: string, operation: { id: string, kind: OperationKind, path: string | null, paths: Array<string>, valueType: ValueType | null, value: unknown, values: unknown, arguments: string | null, attributes: unknown, status: OperationStatus, version: number, delivery: Delivery, attempts: number, maxAttempts: number, createdAt: string, lastAttemptAt: string | null, finishedAt: string | null, expiresAt: string | null, notBefore: string | null, reason: ReasonCode | null, detail: string | null, waitingFor: WaitingFor, deviceStatus: string | null, answer: unknown, createdBy: string | null, repeatable: boolean, priority: number, batch: string | null, sequence: string | null, endpoint: { name: string, presence: Presence } } } };

export type PresenceChangesSubscriptionVariables = Exact<{
  endpoint?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type PresenceChangesSubscription = { endpointPresence: { cursor: string, presence: Presence, at: string, endpoint: { id: string, name: string, presence: Presence, awakeUntil: string | null, lastSeenAt: string | null, pendingOperations: number, overdue: boolean, tags: Array<string> } } };

export type TokenFragment = { id: string, name: string, role: Role, createdAt: string, createdBy: string | null, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null };

export type TokensQueryVariables = Exact<{ [key: string]: never; }>;


export type TokensQuery = { apiTokens: Array<{ id: string, name: string, role: Role, createdAt: string, createdBy: string | null, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null }> | null };

export type CreateTokenMutationVariables = Exact<{
  name: string;
  role: Role;
  expiresAt?: string | null | undefined;
}>;


export type CreateTokenMutation = { createApiToken: { secret: string, token: { id: string, name: string, role: Role, createdAt: string, createdBy: string | null, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null } } | null };

export type RevokeTokenMutationVariables = Exact<{
  id: string | number;
}>;


export type RevokeTokenMutation = { revokeApiToken: { id: string, name: string, role: Role, createdAt: string, createdBy: string | null, expiresAt: string | null, lastUsedAt: string | null, revokedAt: string | null } | null };

export type AuditLogQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type AuditLogQuery = { auditLog: { edges: Array<{ node: { id: string, at: string, actor: string, action: string, target: string | null, detail: unknown } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type EndpointsQueryVariables = Exact<{
  filter?: EndpointFilter | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type EndpointsQuery = { endpoints: { edges: Array<{ node: { id: string, name: string, presence: Presence, awakeUntil: string | null, lastSeenAt: string | null, pendingOperations: number, overdue: boolean, tags: Array<string> } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type OperationsQueryVariables = Exact<{
  filter?: DeviceOperationFilter | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type OperationsQuery = { deviceOperations: { edges: Array<{ node: { id: string, kind: OperationKind, path: string | null, paths: Array<string>, valueType: ValueType | null, value: unknown, values: unknown, arguments: string | null, attributes: unknown, status: OperationStatus, version: number, delivery: Delivery, attempts: number, maxAttempts: number, createdAt: string, lastAttemptAt: string | null, finishedAt: string | null, expiresAt: string | null, notBefore: string | null, reason: ReasonCode | null, detail: string | null, waitingFor: WaitingFor, deviceStatus: string | null, answer: unknown, createdBy: string | null, repeatable: boolean, priority: number, batch: string | null, sequence: string | null, endpoint: { name: string, presence: Presence } } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } | null };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { viewer: { name: string, role: Role, expiresAt: string | null } | null };

export type RoadQueryVariables = Exact<{ [key: string]: never; }>;


export type RoadQuery = { dispatchStatus: { at: string, openCalls: number, leshanServer: { name: string, dispatcherSeenAt: string | null, breakerOpenedAt: string | null, breakerReason: string | null, nextProbeAt: string | null, bridgeHeldUntil: string | null, streamOpenSince: string | null, paused: boolean } | null, pauses: Array<{ leshanServerName: string | null, endpointName: string | null, reason: string, pausedBy: string, pausedAt: string }> } | null };

export const EndpointRowFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EndpointRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Endpoint"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}},{"kind":"Field","name":{"kind":"Name","value":"awakeUntil"}},{"kind":"Field","name":{"kind":"Name","value":"lastSeenAt"}},{"kind":"Field","name":{"kind":"Name","value":"pendingOperations"}},{"kind":"Field","name":{"kind":"Name","value":"overdue"}},{"kind":"Field","name":{"kind":"Name","value":"tags"}}]}}]} as unknown as DocumentNode<EndpointRowFragment, unknown>;
export const OperationRowFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"OperationRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeviceOperation"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}}]}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"paths"}},{"kind":"Field","name":{"kind":"Name","value":"valueType"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"values"}},{"kind":"Field","name":{"kind":"Name","value":"arguments"}},{"kind":"Field","name":{"kind":"Name","value":"attributes"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"delivery"}},{"kind":"Field","name":{"kind":"Name","value":"attempts"}},{"kind":"Field","name":{"kind":"Name","value":"maxAttempts"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastAttemptAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"notBefore"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}},{"kind":"Field","name":{"kind":"Name","value":"waitingFor"}},{"kind":"Field","name":{"kind":"Name","value":"deviceStatus"}},{"kind":"Field","name":{"kind":"Name","value":"answer"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"repeatable"}},{"kind":"Field","name":{"kind":"Name","value":"priority"}},{"kind":"Field","name":{"kind":"Name","value":"batch"}},{"kind":"Field","name":{"kind":"Name","value":"sequence"}}]}}]} as unknown as DocumentNode<OperationRowFragment, unknown>;
export const TransitionFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Transition"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"OperationTransition"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"number"}},{"kind":"Field","name":{"kind":"Name","value":"fromStatus"}},{"kind":"Field","name":{"kind":"Name","value":"toStatus"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}},{"kind":"Field","name":{"kind":"Name","value":"at"}}]}}]} as unknown as DocumentNode<TransitionFragment, unknown>;
export const TokenFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Token"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}}]}}]} as unknown as DocumentNode<TokenFragment, unknown>;
export const TransitionsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Transitions"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"endpoint"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"operationTransitions"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"endpoint"},"value":{"kind":"Variable","name":{"kind":"Name","value":"endpoint"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Transition"}},{"kind":"Field","name":{"kind":"Name","value":"operation"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"OperationRow"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Transition"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"OperationTransition"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"number"}},{"kind":"Field","name":{"kind":"Name","value":"fromStatus"}},{"kind":"Field","name":{"kind":"Name","value":"toStatus"}},{"kind":"Field","name":{"kind":"Name","value":"attempt"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}},{"kind":"Field","name":{"kind":"Name","value":"at"}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"OperationRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeviceOperation"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}}]}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"paths"}},{"kind":"Field","name":{"kind":"Name","value":"valueType"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"values"}},{"kind":"Field","name":{"kind":"Name","value":"arguments"}},{"kind":"Field","name":{"kind":"Name","value":"attributes"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"delivery"}},{"kind":"Field","name":{"kind":"Name","value":"attempts"}},{"kind":"Field","name":{"kind":"Name","value":"maxAttempts"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastAttemptAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"notBefore"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}},{"kind":"Field","name":{"kind":"Name","value":"waitingFor"}},{"kind":"Field","name":{"kind":"Name","value":"deviceStatus"}},{"kind":"Field","name":{"kind":"Name","value":"answer"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"repeatable"}},{"kind":"Field","name":{"kind":"Name","value":"priority"}},{"kind":"Field","name":{"kind":"Name","value":"batch"}},{"kind":"Field","name":{"kind":"Name","value":"sequence"}}]}}]} as unknown as DocumentNode<TransitionsSubscription, TransitionsSubscriptionVariables>;
export const PresenceChangesDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"PresenceChanges"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"endpoint"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"endpointPresence"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"endpoint"},"value":{"kind":"Variable","name":{"kind":"Name","value":"endpoint"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"EndpointRow"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EndpointRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Endpoint"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}},{"kind":"Field","name":{"kind":"Name","value":"awakeUntil"}},{"kind":"Field","name":{"kind":"Name","value":"lastSeenAt"}},{"kind":"Field","name":{"kind":"Name","value":"pendingOperations"}},{"kind":"Field","name":{"kind":"Name","value":"overdue"}},{"kind":"Field","name":{"kind":"Name","value":"tags"}}]}}]} as unknown as DocumentNode<PresenceChangesSubscription, PresenceChangesSubscriptionVariables>;
export const TokensDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Tokens"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"apiTokens"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Token"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Token"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}}]}}]} as unknown as DocumentNode<TokensQuery, TokensQueryVariables>;
export const CreateTokenDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateToken"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"name"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"role"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Role"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"expiresAt"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DateTime"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createApiToken"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"name"},"value":{"kind":"Variable","name":{"kind":"Name","value":"name"}}},{"kind":"Argument","name":{"kind":"Name","value":"role"},"value":{"kind":"Variable","name":{"kind":"Name","value":"role"}}},{"kind":"Argument","name":{"kind":"Name","value":"expiresAt"},"value":{"kind":"Variable","name":{"kind":"Name","value":"expiresAt"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"secret"}},{"kind":"Field","name":{"kind":"Name","value":"token"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Token"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Token"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}}]}}]} as unknown as DocumentNode<CreateTokenMutation, CreateTokenMutationVariables>;
export const RevokeTokenDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"RevokeToken"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"revokeApiToken"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"Token"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"Token"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ApiToken"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastUsedAt"}},{"kind":"Field","name":{"kind":"Name","value":"revokedAt"}}]}}]} as unknown as DocumentNode<RevokeTokenMutation, RevokeTokenMutationVariables>;
export const AuditLogDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"AuditLog"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"auditLog"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"actor"}},{"kind":"Field","name":{"kind":"Name","value":"action"}},{"kind":"Field","name":{"kind":"Name","value":"target"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}}]} as unknown as DocumentNode<AuditLogQuery, AuditLogQueryVariables>;
export const EndpointsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Endpoints"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"EndpointFilter"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"endpoints"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"EndpointRow"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"EndpointRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Endpoint"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}},{"kind":"Field","name":{"kind":"Name","value":"awakeUntil"}},{"kind":"Field","name":{"kind":"Name","value":"lastSeenAt"}},{"kind":"Field","name":{"kind":"Name","value":"pendingOperations"}},{"kind":"Field","name":{"kind":"Name","value":"overdue"}},{"kind":"Field","name":{"kind":"Name","value":"tags"}}]}}]} as unknown as DocumentNode<EndpointsQuery, EndpointsQueryVariables>;
export const OperationsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Operations"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"filter"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"DeviceOperationFilter"}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"deviceOperations"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"filter"},"value":{"kind":"Variable","name":{"kind":"Name","value":"filter"}}},{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"edges"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"node"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"OperationRow"}}]}}]}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"OperationRow"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"DeviceOperation"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"presence"}}]}},{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"path"}},{"kind":"Field","name":{"kind":"Name","value":"paths"}},{"kind":"Field","name":{"kind":"Name","value":"valueType"}},{"kind":"Field","name":{"kind":"Name","value":"value"}},{"kind":"Field","name":{"kind":"Name","value":"values"}},{"kind":"Field","name":{"kind":"Name","value":"arguments"}},{"kind":"Field","name":{"kind":"Name","value":"attributes"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"version"}},{"kind":"Field","name":{"kind":"Name","value":"delivery"}},{"kind":"Field","name":{"kind":"Name","value":"attempts"}},{"kind":"Field","name":{"kind":"Name","value":"maxAttempts"}},{"kind":"Field","name":{"kind":"Name","value":"createdAt"}},{"kind":"Field","name":{"kind":"Name","value":"lastAttemptAt"}},{"kind":"Field","name":{"kind":"Name","value":"finishedAt"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}},{"kind":"Field","name":{"kind":"Name","value":"notBefore"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"detail"}},{"kind":"Field","name":{"kind":"Name","value":"waitingFor"}},{"kind":"Field","name":{"kind":"Name","value":"deviceStatus"}},{"kind":"Field","name":{"kind":"Name","value":"answer"}},{"kind":"Field","name":{"kind":"Name","value":"createdBy"}},{"kind":"Field","name":{"kind":"Name","value":"repeatable"}},{"kind":"Field","name":{"kind":"Name","value":"priority"}},{"kind":"Field","name":{"kind":"Name","value":"batch"}},{"kind":"Field","name":{"kind":"Name","value":"sequence"}}]}}]} as unknown as DocumentNode<OperationsQuery, OperationsQueryVariables>;
export const ViewerDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}},{"kind":"Field","name":{"kind":"Name","value":"expiresAt"}}]}}]}}]} as unknown as DocumentNode<ViewerQuery, ViewerQueryVariables>;
export const RoadDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Road"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"dispatchStatus"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"leshanServer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"dispatcherSeenAt"}},{"kind":"Field","name":{"kind":"Name","value":"breakerOpenedAt"}},{"kind":"Field","name":{"kind":"Name","value":"breakerReason"}},{"kind":"Field","name":{"kind":"Name","value":"nextProbeAt"}},{"kind":"Field","name":{"kind":"Name","value":"bridgeHeldUntil"}},{"kind":"Field","name":{"kind":"Name","value":"streamOpenSince"}},{"kind":"Field","name":{"kind":"Name","value":"paused"}}]}},{"kind":"Field","name":{"kind":"Name","value":"pauses"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"leshanServerName"}},{"kind":"Field","name":{"kind":"Name","value":"endpointName"}},{"kind":"Field","name":{"kind":"Name","value":"reason"}},{"kind":"Field","name":{"kind":"Name","value":"pausedBy"}},{"kind":"Field","name":{"kind":"Name","value":"pausedAt"}}]}},{"kind":"Field","name":{"kind":"Name","value":"openCalls"}}]}}]}}]} as unknown as DocumentNode<RoadQuery, RoadQueryVariables>;