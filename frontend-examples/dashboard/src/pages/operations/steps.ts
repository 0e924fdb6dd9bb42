/** An operation with its transitions, as pages and events add to them. */

import type { OperationQuery, OperationStepsSubscription } from "../../api/generated";

export type Details = NonNullable<OperationQuery["deviceOperation"]>;

/** Apply events: the operation as of the newest one, and the steps themselves if all before them were read. */
export function withSteps(data: OperationQuery, events: OperationStepsSubscription[]): OperationQuery {
  let operation = data.deviceOperation;
  if (!operation) return data;
  for (const { operationTransitions: step } of events) {
    if (step.operation.version > operation.version) operation = { ...operation, ...step.operation };
    const { edges, pageInfo }: Details["transitions"] = operation.transitions;
    const last = edges.at(-1)?.node.number ?? 0;
    if (!pageInfo.hasNextPage && step.number > last) {
      const { operation: _, ...node } = step;
      operation = { ...operation, transitions: { edges: [...edges, { node }], pageInfo } };
    }
  }
  return { ...data, deviceOperation: operation };
}

/** Append a page of later steps. */
export function withPage(data: OperationQuery, page: Details["transitions"]): OperationQuery {
  const { deviceOperation: operation } = data;
  if (!operation) return data;
  const last = operation.transitions.edges.at(-1)?.node.number ?? 0;
  const later = page.edges.filter(({ node }) => node.number > last);
  const transitions = { edges: [...operation.transitions.edges, ...later], pageInfo: page.pageInfo };
  return { ...data, deviceOperation: { ...operation, transitions } };
}
