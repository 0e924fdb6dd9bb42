/** The GraphQL documents of this page, one constant each. */

const ENDPOINT_ROW = `
fragment EndpointRow on Endpoint { id name presence awakeUntil lastSeenAt pendingOperations }`;

const OPERATION = `
fragment Operation on DeviceOperation {
  id kind path paths valueType value values replace arguments attributes status version delivery attempts maxAttempts deliveryAttempts
  priority repeatable validated timeoutSeconds format createdAt lastAttemptAt finishedAt expiresAt reason detail
  waitingFor deviceStatus answer createdBy
}`;

const TRANSITION = `
fragment Transition on OperationTransition { cursor number fromStatus toStatus attempt reason detail at }`;

/** Where the log stands comes first: everything after that cursor is subscribed to, so nothing falls in between. */
export const OVERVIEW = `
query Overview($filter: EndpointFilter, $first: Int!) {
  transitionCursor
  operationCounts { status count }
  endpoints(filter: $filter, first: $first) {
    edges { node { ...EndpointRow } }
    pageInfo { hasNextPage endCursor }
    totalCount
    totalCountCapped
  }
}${ENDPOINT_ROW}`;

export const ENDPOINTS = `
query Endpoints($filter: EndpointFilter, $first: Int!, $after: String) {
  endpoints(filter: $filter, first: $first, after: $after) {
    edges { node { ...EndpointRow } }
    pageInfo { hasNextPage endCursor }
    totalCount
    totalCountCapped
  }
}${ENDPOINT_ROW}`;

export const DEVICE = `
query Device($name: String!, $waiting: Int!, $recent: Int!) {
  transitionCursor
  endpoint(name: $name) {
    ...EndpointRow
    registration {
      registrationId registeredAt lastUpdateAt lifetimeSeconds lwm2mVersion bindingMode queueMode address objectLinks
    }
    waiting: operations(filter: {statuses: [QUEUED, SENDING]}, first: $waiting) { edges { node { ...Operation } } }
    recent: operations(first: $recent) {
      edges { node { ...Operation } }
      pageInfo { hasNextPage endCursor }
    }
    resources { path type value at }
  }
}${ENDPOINT_ROW}${OPERATION}`;

export const OLDER = `
query Older($name: String!, $first: Int!, $after: String!) {
  endpoint(name: $name) {
    operations(first: $first, after: $after) {
      edges { node { ...Operation } }
      pageInfo { hasNextPage endCursor }
    }
  }
}${OPERATION}`;

/** What an operation waits for changes without a transition of its own: when the one before it ends, for example. */
export const WAITING = `
query Waiting($name: String!, $first: Int!) {
  endpoint(name: $name) {
    ...EndpointRow
    operations(filter: {statuses: [QUEUED, SENDING]}, first: $first) { edges { node { ...Operation } } }
  }
}${ENDPOINT_ROW}${OPERATION}`;

export const STEPS = `
query Steps($id: ID!, $first: Int!) {
  deviceOperation(id: $id) {
    transitions(first: $first) { edges { node { ...Transition } } pageInfo { hasNextPage } }
  }
}${TRANSITION}`;

export const CREATE = `
mutation Create($input: CreateDeviceOperationInput!) {
  createDeviceOperation(input: $input) { created operation { ...Operation } }
}${OPERATION}`;

export const CANCEL = `
mutation Cancel($id: ID!) { cancelDeviceOperation(id: $id) { ...Operation } }${OPERATION}`;

export const RETRY = `
mutation Retry($id: ID!, $idempotencyKey: String!) {
  retryDeviceOperation(id: $id, idempotencyKey: $idempotencyKey) { operation { ...Operation } }
}${OPERATION}`;

export const TRANSITIONS = `
subscription Transitions($after: String) {
  operationTransitions(after: $after) {
    ...Transition
    operation { ...Operation endpoint { ...EndpointRow } }
  }
}${ENDPOINT_ROW}${OPERATION}${TRANSITION}`;

export const PRESENCE = `
subscription Presence($after: String) {
  endpointPresence(after: $after) { cursor presence at endpoint { ...EndpointRow } }
}${ENDPOINT_ROW}`;

export const RESOURCES = `
subscription Resources($endpoint: String!, $after: String) {
  resourceChanges(endpoint: $endpoint, after: $after) { cursor resource { path type value at } }
}`;
