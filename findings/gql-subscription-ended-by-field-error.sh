#!/usr/bin/env bash
# gql 4.4.0 (Python): one event with a field error ends the whole subscription, also with `get_execution_result=True`.
#
# Expected: each event of a subscription is executed on its own (GraphQL, 6.2.3.2), and a `next` message may have `errors`
# beside `data`; only `error` and `complete` end the operation (graphql-transport-ws). So a nullable field that fails for one
# event is reported for this event, and the next ones follow. `get_execution_result=True` is to return the whole result.
# Observed: `subscribe` raises TransportQueryError at the first result with errors and sends `complete` to the server, with
# the flag as without it, so the events after it are lost. The client graphql-ws 6.4.2 passes all four on.
# Workaround: catch TransportQueryError and subscribe again from the last position, or read `session.transport.subscribe`.
#
# Needs Python 3.11 or newer, Node.js 20 or newer and npm; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "gql[websockets]==4.4.0" graphql-core==3.3.2
npm init -y >/dev/null
npm install --silent --no-audit --no-fund graphql@16.12.0 graphql-ws@6.4.2 ws@8.18.3

# A server of graphql-ws: four events, of which the second has no value.
cat >server.mjs <<'JAVASCRIPT'
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { useServer } from "graphql-ws/use/ws";
import { buildSchema } from "graphql";

const schema = buildSchema("type Query { value: Int } type Subscription { value: Int }");
const fault = () => {
  throw new Error("sensor fault");
};
async function* values() {
  for (const value of [1, fault, 3, 4]) {
    yield { value };
    await sleep(50);
  }
}
const http = createServer().listen(0, "127.0.0.1", () => console.log(http.address().port));
useServer({ schema, roots: { subscription: { value: values } } }, new WebSocketServer({ server: http }));
JAVASCRIPT

cat >finding.mjs <<'JAVASCRIPT'
import WebSocket from "ws";
import { createClient } from "graphql-ws";

const client = createClient({ url: `ws://127.0.0.1:${process.argv[2]}`, webSocketImpl: WebSocket });
for await (const { data, errors } of client.iterate({ query: "subscription { value }" })) {
  console.log("  value", data.value, errors ? errors[0].message : "");
}
process.exit(0);
JAVASCRIPT

cat >finding.py <<'PYTHON'
import asyncio
import sys

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport


async def main(url):
    document = gql("subscription { value }")
    for whole in (False, True):
        print(f"gql, get_execution_result={whole}")
        async with Client(transport=WebsocketsTransport(url)) as session:
            try:
                async for result in session.subscribe(document, get_execution_result=whole):
                    print("  value", (result.data if whole else result)["value"])
            except TransportQueryError as error:
                print("  raises TransportQueryError:", error.errors[0]["message"])
    print("gql, transport.subscribe")
    async with Client(transport=WebsocketsTransport(url)) as session:
        async for result in session.transport.subscribe(document):
            print("  value", result.data["value"], result.errors[0]["message"] if result.errors else "")


asyncio.run(main(f"ws://127.0.0.1:{sys.argv[1]}"))
PYTHON

node server.mjs >port &
server=$!
until [ -s port ]; do sleep 0.2; done
{
  echo "graphql-ws"
  timeout 30 node finding.mjs "$(cat port)"
  timeout 30 venv/bin/python finding.py "$(cat port)"
} | sed 's/ *$//' | tee seen

cat >expected <<'TEXT'
graphql-ws
  value 1
  value null sensor fault
  value 3
  value 4
gql, get_execution_result=False
  value 1
  raises TransportQueryError: sensor fault
gql, get_execution_result=True
  value 1
  raises TransportQueryError: sensor fault
gql, transport.subscribe
  value 1
  value None sensor fault
  value 3
  value 4
TEXT
diff expected seen && echo "As found: an event with an error ends the subscription."
