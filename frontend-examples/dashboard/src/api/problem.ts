/** What went wrong, from the `extensions` of a GraphQL error. */

import type { CombinedError } from "urql";

/** Codes of the contract; a server may send others. */
export type Code =
  | "BAD_USER_INPUT"
  | "NOT_FOUND"
  | "CONFLICT"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "LIMIT_EXCEEDED"
  | "CURSOR_EXPIRED"
  | "LAGGED"
  | "UNAVAILABLE"
  | "INTERNAL";

export interface Problem {
  /** UNREACHABLE if the request did not reach the server, or no response arrived. */
  code: Code | "UNREACHABLE" | (string & {});
  message: string;
  /** The invalid input field, such as "input.path". */
  field?: string;
  /** Actual number of rows where an expected one differs. */
  count?: number;
  /** Number of rows that a bulk mutation had changed before it failed. */
  done?: number;
  /** Id of the object that is in the way. */
  id?: string;
  /** Which of several inputs is invalid. */
  index?: number;
}

export function problemOf(error: CombinedError): Problem {
  const first = error.graphQLErrors[0];
  return first ? problemOfError(first) : { code: "UNREACHABLE", message: "The server cannot be reached." };
}

/** A GraphQL error, as it is in a response. */
export interface ErrorLike {
  message: string;
  extensions?: Record<string, unknown>;
}

export function problemOfError(first: ErrorLike): Problem {
  const { code, field, count, id, index, canceled, created, changed } = first.extensions ?? {};
  const done = canceled ?? created ?? changed;
  return {
    code: typeof code === "string" ? code : "INTERNAL",
    message: first.message,
    ...(typeof field === "string" && { field }),
    ...(typeof count === "number" && { count }),
    ...(typeof done === "number" && { done }),
    ...(typeof id === "string" && { id }),
    ...(typeof index === "number" && { index }),
  };
}

/** Whether a mutation may have been executed although it failed: repeat it with the same idempotency key. */
export function isUncertain({ code }: Problem): boolean {
  return code === "UNREACHABLE" || code === "UNAVAILABLE";
}
