/** The code of `@reveille/client`'s README, as it is written there, against the running server. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { resuming } from "@reveille/client";
import { Client, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";

import { CANCEL, CREATE, CURSOR, HEADERS, STEPS, URL_HTTP, URL_WS, ask, newEndpoint, write } from "./support/site.js";

const README = readFileSync(new URL("../../frontend-examples/node-client/README.md", import.meta.url), "utf8");
const [USE, LIBRARIES, ...others] = [...README.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);

/** What the first block leaves to its reader. An operation is created and canceled right after the cursor was read. */
const SURROUNDINGS = `
  import { CANCEL, CREATE, TOKEN as token, ask, newEndpoint, write } from "./support/site.js";
  let id;
  async function query(text) {
    const data = await ask(text);
    ({ id } = (await ask(CREATE, write(await newEndpoint()))).createDeviceOperation.operation);
    await ask(CANCEL, { id });
    return data;
  }
  function show({ number, toStatus, operation }) {
    if (operation.id !== id) return;
    console.log(number, toStatus);
    if (toStatus === "CANCELED") process.exit();
  }
`;

test("every block of the README is run", () => {
  assert.ok(LIBRARIES);
  assert.deepEqual(others, []);
});

test("the client resumes after the cursor that was read with the list", async () => {
  assert.ok(USE.includes('"ws://localhost:8000/graphql"'));
  const code = SURROUNDINGS + USE.replace("ws://localhost:8000/graphql", URL_WS);
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder });
  assert.equal(stdout, "1 QUEUED\n2 CANCELED\n");
});

const LIBRARY_CLIENTS = {
  GraphQLWsLink: (link) => {
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    return (query, variables, next) => client.subscribe({ query: gql(query), variables }).subscribe(next);
  },
  subscriptionExchange: (exchange) => {
    const client = new Client({ url: URL_HTTP, exchanges: [exchange] });
    return (query, variables, next) => client.subscription(query, variables).subscribe(next);
  },
};

for (const [name, subscribing] of Object.entries(LIBRARY_CLIENTS)) {
  test(`${name} takes the client`, async () => {
    const expression = LIBRARIES.split("\n\n").find((part) => part.includes(`${name}(`)).replace(/;\s*(\/\/.*)?$/, "");
    const client = resuming(createClient({ url: URL_WS, connectionParams: HEADERS }));
    const run = new Function("client", "GraphQLWsLink", "subscriptionExchange", `return (${expression}\n);`);
    const subscribe = subscribing(run(client, GraphQLWsLink, subscriptionExchange));
    const endpoint = await newEndpoint();
    const { transitionCursor: after } = await ask(CURSOR);
    const { id } = (await ask(CREATE, write(endpoint))).createDeviceOperation.operation;
    await ask(CANCEL, { id });
    const steps = await new Promise((resolve) => {
      const received = [];
      const subscription = subscribe(STEPS, { endpoint, after }, ({ data }) => {
        if (received.push(data.operationTransitions.toStatus) < 2) return;
        subscription.unsubscribe();
        resolve(received);
      });
    });
    client.dispose();
    assert.deepEqual(steps, ["QUEUED", "CANCELED"]);
  });
}
