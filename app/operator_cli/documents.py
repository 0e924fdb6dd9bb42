"""The GraphQL documents of the commands."""

from __future__ import annotations

from typing import Final

from app.operator_cli.options import TRANSITION_FILTER

ROW: Final = """
  id kind path paths status attempts maxAttempts deliveryAttempts waitingFor reason detail
  createdAt createdBy batch finishedAt endpoint { name presence }
"""
EVERYTHING: Final = f"""
  {ROW} valueType value values arguments attributes delivery priority repeatable validated timeoutSeconds format
  notBefore sequence lastAttemptAt expiresAt deviceStatus answer idempotencyKey version retryOf {{ id }}
"""
LIST: Final = f"""
query($filter: DeviceOperationFilter, $first: Int, $after: String) {{
  deviceOperations(filter: $filter, first: $first, after: $after) {{
    totalCount totalCountCapped pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {ROW} }} }}
  }}
}}"""
SHOW: Final = f"""
query($id: ID!) {{
  deviceOperation(id: $id) {{
    {EVERYTHING}
    transitions(first: 200) {{ edges {{ node {{ number fromStatus toStatus attempt reason detail at }} }} }}
  }}
}}"""


ENDPOINT_ROW: Final = """
  name presence overdue tags pendingOperations firstSeenAt lastSeenAt nextContactBy usualContactIntervalSeconds
"""
ENDPOINTS: Final = f"""
query($filter: EndpointFilter, $first: Int, $after: String) {{
  endpoints(filter: $filter, first: $first, after: $after) {{
    totalCount totalCountCapped pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {ENDPOINT_ROW} }} }}
  }}
}}"""
ENDPOINT: Final = f"""
query($name: String!) {{
  endpoint(name: $name) {{
    id {ENDPOINT_ROW} awakeUntil awakeWindowSeconds
    registration {{
      registrationId registeredAt lastUpdateAt lifetimeSeconds lwm2mVersion bindingMode queueMode address objectLinks
    }}
    resources {{ path value at observed }}
    presenceChanges(first: 10) {{ edges {{ node {{ presence at }} }} }}
  }}
}}"""
TAG: Final = """
mutation($filter: EndpointFilter!, $add: [String!], $remove: [String!], $count: Int) {
  tagEndpoints(filter: $filter, add: $add, remove: $remove, expectedCount: $count)
}"""
DELETE_ENDPOINT: Final = "mutation($name: String!) { deleteEndpoint(name: $name) }"

STEP: Final = "cursor number fromStatus toStatus attempt reason detail at"
WITH_LAST_STEP: Final = f"{ROW} lastTransition {{ {STEP} }}"


def some(count: int, wanted: str) -> str:
    """Return a query of so many operations by the ids ``$i0``, ``$i1``, .. as ``o0``, ``o1``, ..."""
    ids = ", ".join(f"$i{number}: ID!" for number in range(count))
    fields = " ".join(f"o{number}: deviceOperation(id: $i{number}) {{ ...row }}" for number in range(count))
    return f"query({ids}) {{ {fields} }} fragment row on DeviceOperation {{ {wanted} }}"


COUNT: Final = "query($filter: DeviceOperationFilter) { deviceOperationCount(filter: $filter) }"
CURSOR: Final = "{ transitionCursor }"
_FOLLOWED: Final = {"operationIds": "[ID!]", "after": "String", **{one.field: one.type for one in TRANSITION_FILTER}}
FOLLOW: Final = f"""
subscription({", ".join(f"${name}: {type_}" for name, type_ in _FOLLOWED.items())}) {{
  operationTransitions({", ".join(f"{name}: ${name}" for name in _FOLLOWED)}) {{
    {STEP} operation {{ {ROW} }}
  }}
}}"""
CANCEL_ONE: Final = "mutation($id: ID!) { cancelDeviceOperation(id: $id) { id status } }"
CANCEL: Final = """
mutation($filter: DeviceOperationFilter!, $count: Int!) {
  cancelDeviceOperations(filter: $filter, expectedCount: $count) { canceled passedOver }
}"""
RETRY_ONE: Final = """
mutation($id: ID!, $key: String) {
  retryDeviceOperation(id: $id, idempotencyKey: $key) { created operation { id status } }
}"""
RETRY: Final = """
mutation($filter: DeviceOperationFilter!, $count: Int!) {
  retryDeviceOperations(filter: $filter, expectedCount: $count) { created passedOver }
}"""
CREATE: Final = f"""
mutation($inputs: [CreateDeviceOperationInput!]!) {{
  createDeviceOperations(inputs: $inputs) {{ created operation {{ {ROW} }} }}
}}"""
ENDPOINT_COUNT: Final = "query($filter: EndpointFilter) { endpointCount(filter: $filter) }"
CREATE_FOR: Final = """
mutation($filter: EndpointFilter!, $input: DeviceOperationTemplateInput!, $batch: String!, $count: Int!) {
  createDeviceOperationsFor(filter: $filter, input: $input, batch: $batch, expectedCount: $count) {
    created passedOver batch
  }
}"""
RESOURCES: Final = """
query($endpoint: String!, $path: String) {
  endpoint(name: $endpoint) {
    resources(pathPrefix: $path) { path name units type value number at receivedAt timeSource origin }
  }
}"""
RESOURCE_NAMES: Final = """
query($endpoint: String!, $path: String) {
  endpoint(name: $endpoint) { resources(pathPrefix: $path) { path name units } }
}"""
SERIES: Final = """
query($endpoint: String!, $paths: [String!]!, $from: DateTime!, $to: DateTime!, $points: Int!) {
  readingSeries(endpoint: $endpoint, paths: $paths, from: $from, to: $to, points: $points) {
    path bucketSeconds buckets { from count min max mean }
  }
}"""
READINGS: Final = """
query($endpoint: String!, $path: String, $from: DateTime, $to: DateTime, $first: Int, $after: String) {
  readings(endpoint: $endpoint, path: $path, from: $from, to: $to, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor } edges { node { path type value number at receivedAt timeSource origin } }
  }
}"""
_PAUSE: Final = "leshanServerName endpointName reason pausedBy pausedAt resumedBy resumedAt"
PAUSE: Final = f"""
mutation($reason: String!, $server: String, $endpoint: String) {{
  pauseDispatch(reason: $reason, leshanServer: $server, endpoint: $endpoint) {{ {_PAUSE} }}
}}"""
RESUME: Final = f"""
mutation($server: String, $endpoint: String) {{
  resumeDispatch(leshanServer: $server, endpoint: $endpoint) {{ {_PAUSE} }}
}}"""
PAUSES: Final = f"{{ dispatchPauses {{ {_PAUSE} }} }}"
STATUS: Final = f"""
{{
  operationCounts {{ status count }}
  dispatchStatus {{
    at openCalls heldByLeshan lateLeases logBehind pauses {{ {_PAUSE} }}
    waiting {{ presence endpoints operations }}
    longestWaiting {{ id kind path waitingFor createdAt reason endpoint {{ name presence pendingOperations }} }}
    leshanServer {{
      name dispatcherSeenAt breakerOpenedAt breakerReason nextProbeAt bridgeHeldUntil streamOpenSince paused
    }}
  }}
}}"""
_RULE: Final = "id name enabled filter paths composite attributes readPaths createdAt createdBy counts { state count }"
RULES: Final = f"{{ observationRules {{ {_RULE} }} }}"
CREATE_RULE: Final = f"""
mutation($input: ObservationRuleInput!) {{ createObservationRule(input: $input) {{ {_RULE} }} }}"""
UPDATE_RULE: Final = f"""
mutation($id: ID!, $input: ObservationRuleInput!) {{ updateObservationRule(id: $id, input: $input) {{ {_RULE} }} }}"""
DELETE_RULE: Final = "mutation($id: ID!) { deleteObservationRule(id: $id) }"

PACKAGE: Final = "id name version uri size sha256 createdAt createdBy"
PACKAGES: Final = f"{{ firmwarePackages {{ {PACKAGE} }} }}"
CREATE_PACKAGE: Final = f"""
mutation($input: FirmwarePackageInput!) {{ createFirmwarePackage(input: $input) {{ {PACKAGE} }} }}"""
DELETE_PACKAGE: Final = "mutation($id: ID!) { deleteFirmwarePackage(id: $id) }"
