/** What the GraphQL over HTTP specification must, should and may have, by graphql-http's audits. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { serverAudits } from "graphql-http";

import { HEADERS, URL_HTTP } from "./support/site.js";

const fetchFn = (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, ...HEADERS } });

const audits = serverAudits({ url: URL_HTTP, fetchFn });

test("there are 61 audits", () => assert.equal(audits.length, 61));

for (const { id, name, fn } of audits) {
  test(`${id} ${name}`, async () => {
    const { status, reason } = await fn();
    assert.equal(status, "ok", reason);
  });
}
