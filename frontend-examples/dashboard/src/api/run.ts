/** Mutations, with their failure as a value. */

import { useCallback } from "react";
import { type AnyVariables, type TypedDocumentNode, useClient } from "urql";

import { type Problem, problemOf } from "./problem";

export type Result<Data> = { data: Data; problem?: undefined } | { data?: undefined; problem: Problem };

export type Run = <Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
) => Promise<Result<Data>>;

/** A function that executes a mutation, or a query once. */
export function useRun(): Run {
  const client = useClient();
  return useCallback(
    async (document, variables) => {
      const isMutation = document.definitions.some((one) => "operation" in one && one.operation === "mutation");
      const request = isMutation ? client.mutation(document, variables) : client.query(document, variables);
      const { data, error } = await request.toPromise();
      if (error) return { problem: problemOf(error) };
      return { data: data as NonNullable<typeof data> };
    },
    [client],
  );
}
