/** What the clients of graphql-ws and graphql-sse have in common. */
export interface SubscribingClient {
  subscribe(payload: never, sink: never, ...rest: never[]): () => void;
}

export interface ResumeOptions {
  /** The variable that carries the cursor. Default: `"after"`. */
  variable?: string;
}

/**
 * Wrap a client so that its subscriptions resume after the last event that arrived, when it reconnects and when the server
 * ends one with `LAGGED`. A request takes part when its `variables` have the variable, if only as null; it must select
 * `cursor`. Every other request passes through unchanged.
 */
export function resuming<C extends SubscribingClient>(client: C, options?: ResumeOptions): C;
