#!/usr/bin/env bash
# Strawberry 0.341.2: fields of a @defer are merged into the wrong object by urql core 6.0.3 and Apollo Client 4.3.8.
#
# Expected: a deferred field of an object that the rest of the query selects, too, is merged into that object. graphql-core
# 3.3.2 says where: the `path` of the pending `id`, then the result's `subPath`. The format of 2022 has `path` alone, which
# is then the whole one.
# Observed: Strawberry adds to each incremental result the `path` of its pending `id`, without the `subPath`. urql, which
# supports the newer format, prefers a `path` where there is one; Apollo's Defer20220824Handler, whose requests ask for
# `deferSpec=20220824`, knows nothing else. Both put `info.b` beside `info`, without an error. Items of a @stream replace the
# list in Apollo and become keys of `data` in urql. Apollo's GraphQL17Alpha9Handler is right, and so are all three where
# only the fragment selects the object.
# Workaround: GraphQL17Alpha9Handler; with urql select an object completely inside or outside of a fragment, and no @stream.
#
# Needs Python 3.11 or newer, Node.js 20 or newer and npm; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check strawberry-graphql==0.341.2 graphql-core==3.3.2 \
  starlette==1.10.0 python-multipart uvicorn==0.54.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @apollo/client@4.3.8 @urql/core@6.0.3 graphql@16.12.0 rxjs@7.8.2

cat >server.py <<'PYTHON'
import asyncio
import socket

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig


@strawberry.type
class Info:
    a: str = "A"

    @strawberry.field
    async def b(self) -> str:
        await asyncio.sleep(0.1)
        return "B"


@strawberry.type
class Device:
    @strawberry.field
    def info(self) -> Info:
        return Info()


@strawberry.type
class Query:
    @strawberry.field
    def device(self) -> Device:
        return Device()

    @strawberry.field
    async def values(self) -> strawberry.Streamable[int]:
        for value in (1, 2, 3):
            await asyncio.sleep(0.1)
            yield value


schema = strawberry.Schema(Query, config=StrawberryConfig(enable_experimental_incremental_execution=True))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(GraphQL(schema), log_level="error")).run(sockets=[listener])
PYTHON

cat >finding.mjs <<'JAVASCRIPT'
import { ApolloClient, InMemoryCache, HttpLink, gql } from "@apollo/client";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";
import { createClient, fetchExchange } from "@urql/core";

const uri = `http://127.0.0.1:${process.argv[2]}/`;

function apollo(Handler) {
  const link = new HttpLink({ uri });
  const cache = new InMemoryCache({ addTypename: false });
  const client = new ApolloClient({ link, cache, incrementalHandler: new Handler() });
  return (query) =>
    new Promise((done, fail) => {
      const next = ({ data, loading, error }) => (error ? fail(error) : loading || done(data));
      client.watchQuery({ query: gql(query), fetchPolicy: "no-cache" }).subscribe({ next });
    });
}

function urql(query) {
  const client = createClient({ url: uri, exchanges: [fetchExchange], preferGetMethod: false });
  return new Promise((done) =>
    client.query(query, {}).subscribe(({ data, error, hasNext }) => hasNext || done(error ?? data)),
  );
}

const clients = {
  GraphQL17Alpha9Handler: apollo(GraphQL17Alpha9Handler),
  Defer20220824Handler: apollo(Defer20220824Handler),
  urql,
};
for (const query of [
  "{ device { ... @defer { info { a b } } } }",
  "{ device { info { a } ... @defer { info { b } } } }",
  "{ values @stream(initialCount: 1) }",
]) {
  console.log(query);
  for (const [name, run] of Object.entries(clients)) {
    const text = JSON.stringify(await run(query), (key, value) => (key === "__typename" ? undefined : value));
    console.log(`  ${name}: ${text}`);
  }
}
process.exit(0);
JAVASCRIPT

venv/bin/python server.py >port &
server=$!
until [ -s port ]; do sleep 0.2; done
timeout 60 node finding.mjs "$(cat port)" 2>/dev/null | tee seen

cat >expected <<'TEXT'
{ device { ... @defer { info { a b } } } }
  GraphQL17Alpha9Handler: {"device":{"info":{"a":"A","b":"B"}}}
  Defer20220824Handler: {"device":{"info":{"a":"A","b":"B"}}}
  urql: {"device":{"info":{"a":"A","b":"B"}}}
{ device { info { a } ... @defer { info { b } } } }
  GraphQL17Alpha9Handler: {"device":{"info":{"a":"A","b":"B"}}}
  Defer20220824Handler: {"device":{"info":{"a":"A"},"b":"B"}}
  urql: {"device":{"info":{"a":"A"},"b":"B"}}
{ values @stream(initialCount: 1) }
  GraphQL17Alpha9Handler: {"values":[1,2,3]}
  Defer20220824Handler: {"values":[3]}
  urql: {"0":3,"values":[1]}
TEXT
diff expected seen && echo "As found: an incremental result's path lacks the subPath."
