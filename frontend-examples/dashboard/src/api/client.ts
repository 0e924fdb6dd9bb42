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
const PING_MS = 20_000;
/** A server that does not respond to a ping within this time is considered unreachable. */
const PONG_MS = 5_000;

/** Address of the GraphQL API, from the page's `<meta name="reveille-graphql">`. */
export function graphqlUrl(): URL {
  const address = document.querySelector<HTMLMetaElement>('meta[name="reveille-graphql"]')?.content ?? "graphql";
  return new URL(address, document.baseURI);
}

interface PageClient {
  client: Client;
  /** Close the socket, and open no other. */
  close: () => void;
}

/**
 * Return a client with a socket of its own, which is open on every page: so `connection` is true to the page also where
 * nothing is subscribed to. A new token needs a new client.
 */
export function createClient(): PageClient {
  const url = graphqlUrl();
  const socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  let closed = false;
  let socketToken: string | null = null;
  let unanswered: ReturnType<typeof setTimeout> | undefined;
  const plain = createSocket({
    url: socketUrl.href,
    connectionParams: () => {
      socketToken = token();
      return authorization();
    },
    lazy: false,
    onNonLazyError: () => {}, // the state of the connection says it
    keepAlive: PING_MS,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    // A random pause below a limit that doubles: a thousand pages do not come back at once.
    retryWait: (attempt) => pause(Math.random() * Math.min(500 * 2 ** attempt, LONGEST_PAUSE_MS)),
    on: {
      connecting: () => connection.get() === "lost" || connection.set("connecting"),
      connected: () => connection.set("live"),
      ping: (received) => {
        if (!received) unanswered = setTimeout(() => plain.terminate(), PONG_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(unanswered);
      },
      closed: (event) => {
        clearTimeout(unanswered);
        if (closed) return;
        connection.set("lost");
        const code = (event as CloseEvent).code;
        if (code === UNAUTHORIZED || code === FORBIDDEN) refuse(socketToken);
      },
    },
  });
  const socket = resuming(plain);
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
          // urql would not report the end of a subscription that the server completed.
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              { query: query ?? "", variables: variables ?? {} },
              {
                next: sink.next as (result: unknown) => void,
                error: sink.error,
                complete: () => sink.error(new Error("The server ended the subscription.")),
              },
            ),
          }),
        }),
      }),
    ],
  });
  function close() {
    closed = true;
    Promise.resolve(plain.dispose()).catch(() => {}); // it was not connected yet
  }
  return { client, close };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
