/** Both versions of urql, by the same adapter. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient as createSocket } from "graphql-ws";

import { contract, iterate } from "./contract.js";
import {
  CANCEL,
  COUNTS,
  CREATE,
  CURSOR,
  HEADERS,
  STEPS,
  URL_HTTP,
  URL_WS,
  ask,
  newEndpoint,
  write,
} from "./site.js";

export function urqlSuite(name, { Client, cacheExchange, fetchExchange, subscriptionExchange }, { persistedExchange }) {
  const create = (options) =>
    new Client({
      url: URL_HTTP,
      exchanges: [cacheExchange, fetchExchange],
      fetchOptions: { headers: HEADERS },
      ...options,
    });

  contract(`${name} with fetchSubscriptions`, adapted(create({ fetchSubscriptions: true })));

  ignoreAborts();

  const socket = createSocket({ url: URL_WS, connectionParams: HEADERS });
  const overSocket = subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query || "" }, sink) }),
    }),
  });
  contract(`${name} with graphql-ws`, {
    ...adapted(create({ exchanges: [cacheExchange, fetchExchange, overSocket] })),
    close: () => socket.dispose(),
  });

  test(`${name}: a persisted subscription falls back to its text`, async () => {
    const { operation } = (await ask(CREATE, write(await newEndpoint()))).createDeviceOperation;
    const { transitionCursor: cursor } = await ask(CURSOR);
    await ask(CANCEL, { id: operation.id });
    const persisted = persistedExchange({ enableForSubscriptions: true });
    const { events } = adapted(create({ exchanges: [persisted, overSocket, fetchExchange] }));
    for await (const { operationTransitions: step } of events(STEPS, { ids: [operation.id], after: cursor })) {
      assert.equal(step.toStatus, "CANCELED");
      break;
    }
  });

  for (const preferGetForPersistedQueries of [undefined, true, false]) {
    test(`${name}: a persisted query falls back to its text, preferGet=${preferGetForPersistedQueries}`, async () => {
      const requests = [];
      const client = create({
        exchanges: [persistedExchange({ preferGetForPersistedQueries }), fetchExchange],
        fetch: (url, init) => {
          requests.push({ method: init.method, hash: `${url}${init.body ?? ""}`.includes("persistedQuery") });
          return fetch(url, init);
        },
      });
      const { data, error } = await client.query(COUNTS, {}).toPromise();
      assert.equal(error, undefined);
      assert.equal(data.operationCounts.length, 6);
      assert.deepEqual(requests.map(({ hash }) => hash), [true, false]);
      if (preferGetForPersistedQueries) assert.equal(requests[0].method, "GET");
      assert.ok((await client.query(CURSOR, {}).toPromise()).data.transitionCursor);
      assert.equal(requests.length, 3, "it does not send hashes again");
    });
  }
}

/**
 * Let no test fail because urql aborts the request of a subscription that is ended: when a read is pending it leaves the
 * AbortError of its own abort unhandled (seen once, with 5.2.0 and Node 20).
 */
function ignoreAborts() {
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => {
    if (error?.name !== "AbortError") throw error;
  });
}

function adapted(client) {
  const unwrapped = async (source) => {
    const { data, error } = await source.toPromise();
    if (error) throw error;
    return data;
  };
  return {
    query: (text, variables) => unwrapped(client.query(text, variables, { requestPolicy: "network-only" })),
    mutate: (text, variables) => unwrapped(client.mutation(text, variables)),
    codes: (error) => error.graphQLErrors.map(({ extensions }) => extensions.code),
    events: (text, variables) =>
      iterate((sink) => {
        const subscription = client.subscription(text, variables).subscribe(({ data, error }) => {
          if (error) sink.error(error);
          else sink.next(data);
        });
        return () => subscription.unsubscribe();
      }),
  };
}
