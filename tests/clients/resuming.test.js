/** `@reveille/client`, as npm packs it: no gaps and no duplicates while the connection is cut ten times. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { resuming } from "@reveille/client";
import { createClient as createEvents } from "graphql-sse";
import { createClient as createSocket } from "graphql-ws";

import { cuttingProxy } from "./support/cutting.js";
import { CANCEL, CREATE, CURSOR, HEADERS, STEPS, URL_HTTP, ask, newEndpoint, write } from "./support/site.js";

const CUTS = 10;
const atOnce = async () => {};

const CLIENTS = {
  "graphql-ws": (url) =>
    createSocket({
      url: url.replace(/^http/, "ws"),
      connectionParams: HEADERS,
      retryWait: atOnce,
      // a cut during the opening handshake is an error event, after which graphql-ws does not retry by default
      shouldRetry: () => true,
    }),
  "graphql-sse": (url) => createEvents({ url, headers: HEADERS, retry: atOnce }),
};

for (const [name, create] of Object.entries(CLIENTS)) {
  test(`${name}: no gaps and no duplicates over ${CUTS} cuts`, async () => {
    const proxy = await cuttingProxy(URL_HTTP);
    const client = resuming(create(proxy.url));
    try {
      const endpoint = await newEndpoint();
      const { transitionCursor: after } = await ask(CURSOR);
      const events = client.iterate({ query: STEPS, variables: { endpoint, after } });
      const expected = [];
      const received = [];
      const receive = async (count) => {
        for (; count > 0; count -= 1) {
          const { operationTransitions: step } = (await events.next()).value.data;
          received.push([step.operation.id, step.toStatus]);
        }
      };
      for (let cut = 0; cut < CUTS; cut += 1) {
        const { id } = (await ask(CREATE, write(endpoint))).createDeviceOperation.operation;
        if (cut % 3 === 0) await receive(1);
        if (cut % 3 === 1) proxy.cut();
        await ask(CANCEL, { id });
        expected.push([id, "QUEUED"], [id, "CANCELED"]);
        if (cut % 3 !== 1) proxy.cut();
        await receive(expected.length - received.length);
      }
      assert.deepEqual(received, expected);
    } finally {
      client.dispose();
      proxy.close();
    }
  });
}
