#!/usr/bin/env bash
# Apollo Client 4.3.8, GraphQLWsLink: an operation's error closes the whole socket where there is no global WebSocket.
#
# Expected: graphql-ws receives its WebSocket class by `webSocketImpl`, so in a runtime without a global one (Node.js
# before 22) a subscription that the server answers with an `error` message ends with that error, and the socket stays open.
# Observed: the link looks for the constant CLOSED of the *global* WebSocket when it converts the error. That throws within
# graphql-ws' message handler, which closes the socket with 4004; the subscriber receives "WebSocket is not defined"
# instead of the server's message, and all other subscriptions of the socket are cut.
# Workaround: set `globalThis.WebSocket` to the same class.
#
# Needs Node.js 20 or newer and npm; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm init -y >/dev/null
npm install --silent --no-audit --no-fund @apollo/client@4.3.8 graphql@16.12.0 graphql-ws@6.4.2 ws@8.18.3 rxjs@7.8.2

cat >finding.mjs <<'JAVASCRIPT'
import { createServer } from "node:http";
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { useServer } from "graphql-ws/use/ws";
import { createClient } from "graphql-ws";
import { buildSchema, GraphQLError } from "graphql";
import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";

const schema = buildSchema("type Query { now: Int } type Subscription { ticks: Int }");
const http = createServer().listen(0, "127.0.0.1");
await once(http, "listening");
const refuse = () => [new GraphQLError("not for you")];
useServer({ schema, onSubscribe: refuse }, new WebSocketServer({ server: http, path: "/graphql" }));

async function subscribed(label) {
  let closed = "the socket stays";
  const socket = createClient({
    url: `ws://127.0.0.1:${http.address().port}/graphql`,
    webSocketImpl: WebSocket,
    lazyCloseTimeout: 60_000,
    retryAttempts: 0,
    on: { closed: (event) => (closed = `the socket is closed with ${event.code}`) },
  });
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  const message = await new Promise((done) => {
    const stream = client.subscribe({ query: gql`subscription { ticks }` });
    stream.subscribe({ next: (result) => done(result.error?.message), error: (error) => done(error.message) });
  });
  await new Promise((done) => setTimeout(done, 200));
  console.log(`${label}: ${message}; ${closed}`);
}

delete globalThis.WebSocket;
await subscribed("without a global WebSocket");
globalThis.WebSocket = WebSocket;
await subscribed("with one");
process.exit(0);
JAVASCRIPT

node finding.mjs | tee seen
cat >expected <<'TEXT'
without a global WebSocket: WebSocket is not defined; the socket is closed with 4004
with one: not for you; the socket stays
TEXT
diff expected seen && echo "As found: GraphQLWsLink needs a global WebSocket."
