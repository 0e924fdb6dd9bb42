/** A Reveille that admits one request a minute from each credential: a client sees the refusal and when to try again. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { GraphQLClient } from "graphql-request";
import { createClient as createStreams } from "graphql-sse";
import { createClient as createSocket } from "graphql-ws";

import { CURSOR, STEPS, TOKEN, URL_HTTP, URL_WS } from "./support/site.js";

/** The headers of a client's own credential. */
const headers = (name) => ({ Authorization: `Bearer ${name}-${TOKEN}` });

function check(extensions) {
  assert.equal(extensions.code, "LIMIT_EXCEEDED");
  assert.equal(extensions.setting, "REVEILLE_REQUESTS_PER_MINUTE");
  assert.ok(extensions.retryAfterSeconds > 0 && extensions.retryAfterSeconds <= 60);
}

async function failure(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

test("Apollo Client", async () => {
  const link = new HttpLink({ uri: URL_HTTP, headers: headers("apollo") });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const query = () => client.query({ query: gql(CURSOR), fetchPolicy: "network-only" });
  assert.ok((await query()).data.transitionCursor);
  const error = await failure(query);
  check(error.errors[0].extensions);
});

test("urql", async () => {
  const client = new Client({
    url: URL_HTTP,
    exchanges: [fetchExchange],
    fetchOptions: { headers: headers("urql") },
  });
  assert.ok((await client.query(CURSOR, {})).data.transitionCursor);
  const { error } = await client.query(CURSOR, {});
  assert.equal(error.response.status, 429);
  assert.ok(Number(error.response.headers.get("retry-after")) > 0);
  check(error.graphQLErrors[0].extensions);
});

test("graphql-request", async () => {
  const client = new GraphQLClient(URL_HTTP, { headers: headers("request") });
  assert.ok((await client.request(CURSOR)).transitionCursor);
  const { response } = await failure(() => client.request(CURSOR));
  assert.equal(response.status, 429);
  assert.ok(Number(response.headers.get("retry-after")) > 0);
  check(response.errors[0].extensions);
});

test("graphql-sse", async () => {
  const client = createStreams({ url: URL_HTTP, headers: headers("sse"), retryAttempts: 0 });
  const first = () => client.iterate({ query: CURSOR }).next();
  assert.ok((await first()).value.data.transitionCursor);
  const { response } = await failure(first);
  assert.equal(response.status, 429);
  assert.ok(Number(response.headers.get("retry-after")) > 0);
});

test("graphql-ws", async () => {
  const client = createSocket({ url: URL_WS, connectionParams: headers("socket") });
  assert.ok((await client.iterate({ query: CURSOR }).next()).value.data.transitionCursor);
  const errors = await failure(() => client.iterate({ query: STEPS }).next());
  check(errors[0].extensions);
  await client.dispose();
});
