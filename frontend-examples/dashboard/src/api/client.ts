/** The GraphQL client of the page: urql over fetch, and graphql-ws with subscriptions that resume after a cursor. */

import { resuming } from "@reveille/client";
import { createClient as createSocket } from "graphql-ws";
import { Client, fetchExchange, makeOperation, mapExchange, subscriptionExchange } from "urql";

import { problemOf } from "./problem";
import { authorization, connection, refuse, token } from "./session";

/** Close codes of graphql-transport-ws for a missing and a refused credential. */
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

const LONGEST_PAUSE_MS = 10_000;

/** Address of the GraphQL API, from the page's `<meta name="reveille-graphql">`. */
export function graphqlUrl(): URL {
  const address = document.querySelector<HTMLMetaElement>('meta[name="reveille-graphql"]')?.content ?? "graphql";
  return new URL(address, document.baseURI);
}

/** Return a client, and the function that closes its socket. A new token needs a new client. */
export function createClient(): { client: Client; close: () => void } {
  const url = graphqlUrl();
  const socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  let socketToken: string | null = null;
  const socket = resuming(
    createSocket({
      url: socketUrl.href,
      connectionParams: () => {
        socketToken = token();
        return authorization();
      },
      lazy: false, // the lamp says from the beginning whether changes arrive
      onNonLazyError: () => {}, // `closed` has reported it
      keepAlive: 20_000,
      retryAttempts: Infinity,
      shouldRetry: () => true,
      // A random pause below a limit that doubles: a thousand pages do not come back at once.
      retryWait: (attempt) => pause(Math.random() * Math.min(500 * 2 ** attempt, LONGEST_PAUSE_MS)),
      on: {
        connecting: () => connection.get() === "lost" || connection.set("connecting"),
        connected: () => connection.set("live"),
        closed: (event) => {
          connection.set("lost");
          const code = (event as CloseEvent).code;
          if (code === UNAUTHORIZED || code === FORBIDDEN) refuse(socketToken);
        },
      },
    }),
  );
  const client = new Client({
    url: url.href,
    preferGetMethod: false,
    requestPolicy: "network-only",
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      mapExchange({
        onOperation: (operation) => makeOperation(operation.kind, operation, { ...operation.context, token: token() }),
        onError: (error, { context }) => {
          if (problemOf(error).code === "UNAUTHENTICATED") refuse(context["token"] as string | null);
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query: query ?? "", variables: variables ?? {} }, sink as never),
          }),
        }),
      }),
    ],
  });
  return { client, close: () => void socket.dispose() };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
