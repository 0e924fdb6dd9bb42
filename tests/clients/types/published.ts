// Compiled, never run: the types that npm packs fit both clients.
import { resuming } from "@reveille/client";
import { type Client as EventsClient, createClient as createEvents } from "graphql-sse";
import { type Client, createClient } from "graphql-ws";

interface Step {
  operationTransitions: { cursor: string; number: number };
}

const query = "subscription ($after: String) { operationTransitions(after: $after) { cursor number } }";

export const socket: Client = resuming(createClient({ url: "ws://localhost/graphql" }));
export const events: EventsClient = resuming(createEvents({ url: "http://localhost/graphql" }), { variable: "after" });

export async function numbers(after: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { data } of socket.iterate<Step>({ query, variables: { after } })) {
    if (data) found.push(data.operationTransitions.number);
  }
  return found;
}

// @ts-expect-error: something that does not subscribe is no client
resuming({ query: () => undefined });
// @ts-expect-error: the variable is a name
resuming(createClient({ url: "ws://localhost/graphql" }), { variable: 5 });
