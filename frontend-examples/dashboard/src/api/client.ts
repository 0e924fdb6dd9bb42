/** The GraphQL client of the page: urql over fetch, and graphql-ws with subscriptions that resume after a cursor. */

import { resuming } from "@reveille/client";
import { createClient as createSocket } from "graphql-ws";
import { Client, fetchExchange, mapExchange, subscriptionExchange } from "urql";

import { problemOf } from "./problem";
import { authorization, connection, refused } from "./session";

/** Close codes of graphql-transport-ws for a missing and a refused credential. */
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;

const LONGEST_PAUSE_MS = 10_000;

/** Address of the GraphQL API, from the page's `<meta name="reveille-graphql">`. */
export function graphqlUrl(): URL {
  const address = document.querySelector<HTMLMetaElement>('meta[name="reveille-graphql"]')?.content ?? "graphql";
  return new URL(address, document.baseURI);
}

/** Return a client with a socket of its own. A new token needs a new client. */
export function createClient(): Client {
  const url = graphqlUrl();
  const socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = resuming(
    createSocket({
      url: socketUrl.href,
      connectionParams: authorization,
      lazy: true,
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
          if (code === UNAUTHORIZED || code === FORBIDDEN) refused.set(true);
        },
      },
    }),
  );
  return new Client({
    url: url.href,
    preferGetMethod: false,
    requestPolicy: "network-only",
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      mapExchange({
        onError: (error) => {
          if (problemOf(error).code === "UNAUTHENTICATED") refused.set(true);
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
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
