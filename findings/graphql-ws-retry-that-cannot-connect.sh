#!/usr/bin/env bash
# graphql-ws 6.4.2 with ws 8.18.3: one retry that cannot connect ends the subscription, whatever `retryAttempts` says.
#
# Expected: with `retryAttempts: 50`, a subscription survives a server that restarts: the attempts that are refused while
# it is down are retries like all others.
# Observed: ws reports a refused connection as an error event, and a close event after it. graphql-ws takes the first of
# both, and retries only after close events by default (`shouldRetry`): the subscription ends with the error at the first
# refused attempt, 49 attempts before its limit. With `shouldRetry: () => true` it goes on.
#
# Needs Node.js 20 or newer and npm; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm init -y >/dev/null
npm install --silent --no-audit --no-fund graphql@16.12.0 graphql-ws@6.4.2 ws@8.18.3

cat >finding.mjs <<'JAVASCRIPT'
import { createServer } from "node:http";
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { useServer } from "graphql-ws/use/ws";
import { createClient } from "graphql-ws";
import { buildSchema } from "graphql";

const schema = buildSchema("type Query { now: Int } type Subscription { ticks: Int }");
const roots = { subscription: { ticks: async function* () { yield { ticks: 1 }; await new Promise(() => {}); } } };

async function serve(port) {
  const http = createServer().listen(port, "127.0.0.1");
  await once(http, "listening");
  const sockets = new WebSocketServer({ server: http, path: "/graphql" });
  useServer({ schema, roots }, sockets);
  const stop = async () => {
    for (const socket of sockets.clients) socket.terminate();
    await new Promise((done) => http.close(done));
  };
  return { port: http.address().port, stop };
}

async function survives(label, options) {
  const first = await serve(0);
  let refused = 0;
  const client = createClient({
    url: `ws://127.0.0.1:${first.port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 50,
    retryWait: () => new Promise((done) => setTimeout(done, 50)),
    on: { error: () => (refused += 1) },
    ...options,
  });
  let events = 0;
  let second;
  const end = new Promise((done) => {
    client.subscribe({ query: "subscription { ticks }" }, {
      next: () => (events += 1) === 2 && done("it goes on after the restart"),
      error: (reason) => done(`it ends with ${reason.message.match(/ECONNREFUSED/)} after ${refused} refused attempt`),
      complete: () => done("it completes"),
    });
  });
  while (events === 0) await new Promise((done) => setTimeout(done, 20));
  await first.stop();
  while (refused === 0) await new Promise((done) => setTimeout(done, 20));
  second = await serve(first.port);
  console.log(`${label}: ${await end}`);
  client.dispose();
  await second.stop();
}

await survives("default", {});
await survives("shouldRetry: () => true", { shouldRetry: () => true });
process.exit(0);
JAVASCRIPT

node finding.mjs | tee seen
cat >expected <<'TEXT'
default: it ends with ECONNREFUSED after 1 refused attempt
shouldRetry: () => true: it goes on after the restart
TEXT
diff expected seen && echo "As found: a refused attempt ends the subscription unless shouldRetry accepts errors."
