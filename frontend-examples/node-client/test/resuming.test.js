/** The wrapper by itself; `tests/clients/resuming.test.js` cuts real connections of both clients. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { resuming } from "../index.js";

const QUERY = "subscription ($after: String) { operationTransitions(after: $after) { cursor number } }";

/** A client that keeps what it was asked, and lets the test play the server. */
function played() {
  const requests = [];
  const client = {
    stops: 0,
    requests,
    subscribe(payload, sink) {
      requests.push({ payload, sink, sent: JSON.stringify(payload.variables) });
      return () => {
        client.stops += 1;
        sink.complete();
      };
    },
    dispose: () => "disposed",
  };
  return client;
}

const event = (cursor, number) => ({ data: { operationTransitions: { cursor, number } } });
const lagged = { message: "too slow", extensions: { code: "LAGGED", cursor: "c7" } };

function recorded() {
  const seen = [];
  return { seen, next: (one) => seen.push(one), error: (one) => seen.push({ failed: one }), complete: () => seen.push("end") };
}

test("a reconnect sends the cursor of the last event, and the caller's variables stay as they were", () => {
  const client = played();
  const variables = { after: "c0", endpoint: "d" };
  resuming(client).subscribe({ query: QUERY, variables }, recorded());
  const [{ payload, sink }] = client.requests;
  sink.next(event("c1", 1));
  assert.deepEqual(JSON.parse(JSON.stringify(payload.variables)), { after: "c1", endpoint: "d" });
  assert.deepEqual(variables, { after: "c0", endpoint: "d" });
});

test("the variable may have another name", () => {
  const client = played();
  resuming(client, { variable: "since" }).subscribe({ query: QUERY, variables: { since: null } }, recorded());
  client.requests[0].sink.next(event("c1", 1));
  assert.deepEqual(client.requests[0].payload.variables, { since: "c1" });
});

test("a request without the variable passes through unchanged", () => {
  const client = played();
  for (const payload of [{ query: "{ a }" }, { query: "{ a }", variables: { b: 1 } }]) {
    const sink = recorded();
    resuming(client).subscribe(payload, sink);
    assert.equal(client.requests.at(-1).payload, payload);
    assert.equal(client.requests.at(-1).sink, sink);
  }
  assert.equal(resuming(client).dispose(), "disposed");
});

test("a page of a query with `after` is not taken for an event", () => {
  const client = played();
  const sink = recorded();
  const page = { data: { endpoints: { edges: [] } } };
  resuming(client).subscribe({ query: "query ($after: String) { a }", variables: { after: "c0" } }, sink);
  client.requests[0].sink.next(page);
  client.requests[0].sink.complete();
  assert.deepEqual(sink.seen, [page, "end"]);
});

test("LAGGED resumes after its cursor, as graphql-ws reports it", () => {
  const client = played();
  const sink = recorded();
  resuming(client).subscribe({ query: QUERY, variables: { after: "c0" } }, sink);
  client.requests[0].sink.error([lagged]);
  assert.equal(client.requests[1].sent, '{"after":"c7"}');
  client.requests[1].sink.next(event("c8", 8));
  assert.deepEqual(sink.seen, [event("c8", 8)]);
});

test("LAGGED resumes after its cursor, as graphql-sse reports it", () => {
  const client = played();
  const sink = recorded();
  resuming(client).subscribe({ query: QUERY, variables: { after: "c0" } }, sink);
  client.requests[0].sink.next({ data: null, errors: [lagged] });
  client.requests[0].sink.complete();
  assert.equal(client.requests[1].sent, '{"after":"c7"}');
  assert.deepEqual(sink.seen, []);
});

test("other errors and the end are reported", () => {
  const client = played();
  const sink = recorded();
  const expired = [{ message: "expired", extensions: { code: "CURSOR_EXPIRED" } }];
  resuming(client).subscribe({ query: QUERY, variables: { after: "c0" } }, sink);
  client.requests[0].sink.error(expired);
  resuming(client).subscribe({ query: QUERY, variables: { after: "c0" } }, sink);
  client.requests[1].sink.complete();
  assert.deepEqual(sink.seen, [{ failed: expired }, "end"]);
});

test("a subscription that does not select its cursor is refused", () => {
  const client = played();
  const sink = recorded();
  resuming(client).subscribe({ query: QUERY.replace("cursor ", ""), variables: { after: "c0" } }, sink);
  client.requests[0].sink.next({ data: { operationTransitions: { number: 1 } } });
  assert.match(sink.seen[0].failed.message, /select `cursor`/);
  assert.deepEqual([sink.seen.length, client.stops], [1, 1]);
});

test("an iterator gives the results in order, and ends the subscription when it is left", async () => {
  const client = played();
  const results = resuming(client).iterate({ query: QUERY, variables: { after: "c0" } });
  const [{ payload, sink }] = client.requests;
  const first = results.next();
  sink.next(event("c1", 1));
  sink.next(event("c2", 2));
  assert.equal(payload.variables.after, "c2", "moves when an event arrives, not when it is read");
  assert.deepEqual((await first).value, event("c1", 1));
  for await (const result of results) {
    assert.deepEqual(result, event("c2", 2));
    break;
  }
  assert.equal(client.stops, 1);
});

test("an iterator that waits is ended by return(), and throws what the client reports", async () => {
  const client = played();
  const ended = resuming(client).iterate({ query: QUERY, variables: { after: "c0" } });
  const waiting = ended.next();
  await ended.return();
  assert.equal((await waiting).done, true);
  const broken = resuming(client).iterate({ query: QUERY, variables: { after: "c0" } });
  client.requests[1].sink.error(new Error("closed"));
  await assert.rejects(broken.next(), /closed/);
});
