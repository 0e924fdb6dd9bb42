import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient as createSocket } from "graphql-ws";

import { contract, iterate } from "./support/contract.js";
import { COUNTS, CURSOR, HEADERS, URL_HTTP, URL_WS } from "./support/site.js";

const http = () => new HttpLink({ uri: URL_HTTP, headers: HEADERS });
const create = (link) => new ApolloClient({ link, cache: new InMemoryCache() });
const socket = createSocket({ url: URL_WS, connectionParams: HEADERS });

contract("Apollo Client over HTTP", adapted(create(http())));
contract("Apollo Client with graphql-ws", {
  ...adapted(create(new GraphQLWsLink(socket))),
  close: () => socket.dispose(),
});

for (const useGETForHashedQueries of [false, true]) {
  test(`Apollo Client: a persisted query falls back to its text, useGET=${useGETForHashedQueries}`, async () => {
    const requests = [];
    const link = new PersistedQueryLink({
      sha256: (text) => createHash("sha256").update(text).digest("hex"),
      useGETForHashedQueries,
    });
    const recording = (url, init) => {
      requests.push({ method: init.method, hash: `${url}${init.body ?? ""}`.includes("persistedQuery") });
      return fetch(url, init);
    };
    const client = create(link.concat(new HttpLink({ uri: URL_HTTP, headers: HEADERS, fetch: recording })));
    const { data } = await client.query({ query: gql(COUNTS) });
    assert.equal(data.operationCounts.length, 6);
    assert.deepEqual(requests.map(({ hash }) => hash), [true, false]);
    assert.equal(requests[0].method, useGETForHashedQueries ? "GET" : "POST");
    assert.ok((await client.query({ query: gql(CURSOR), fetchPolicy: "network-only" })).data.transitionCursor);
    assert.equal(requests.length, 3, "it does not send hashes again");
  });
}

function adapted(client) {
  return {
    query: async (text, variables) =>
      (await client.query({ query: gql(text), variables, fetchPolicy: "network-only" })).data,
    mutate: async (text, variables) => (await client.mutate({ mutation: gql(text), variables })).data,
    codes: (error) => error.errors.map(({ extensions }) => extensions.code),
    events: (text, variables) =>
      iterate((sink) => {
        const subscription = client.subscribe({ query: gql(text), variables }).subscribe({
          next: ({ data, error }) => (error ? sink.error(error) : sink.next(data)),
          error: sink.error,
          complete: sink.complete,
        });
        return () => subscription.unsubscribe();
      }),
  };
}
