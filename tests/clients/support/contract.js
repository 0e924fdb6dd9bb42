/**
 * What every client must be able to do at its default settings. A suite adapts its client:
 *
 *   query(text, variables), mutate(text, variables)   resolve to the data, or reject with the client's own error
 *   codes(error)                                      `extensions.code` of all errors in such an error
 *   events(text, variables)                           async iterator of a subscription's data; null: no subscriptions
 *   close()                                           optional
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { CANCEL, COUNTS, CREATE, CURSOR, NONSENSE, STEPS, newEndpoint, operationsOf, write } from "./site.js";

const SIMULATED = "dev-0001"; // wakes by itself
const UNKNOWN = Buffer.from("Operation:01890a5d-ac96-774b-bcce-b302099a8057").toString("base64");

export function contract(name, { query, mutate, codes, events, close }) {
  if (close) after(close);

  test(`${name}: a query`, async () => {
    const { operationCounts, transitionCursor } = await query(COUNTS, {});
    assert.equal(operationCounts.length, 6);
    assert.equal(typeof transitionCursor, "string");
  });

  test(`${name}: a mutation is executed once and answered`, async () => {
    const endpoint = await newEndpoint();
    const { created, operation } = (await mutate(CREATE, write(endpoint))).createDeviceOperation;
    assert.deepEqual([created, operation.status], [true, "QUEUED"]);
    assert.deepEqual(await operationsOf(endpoint), [operation.id]);
  });

  test(`${name}: an error of a field has its code`, async () => {
    await assert.rejects(mutate(CANCEL, { id: UNKNOWN }), (error) => {
      assert.deepEqual(codes(error), ["NOT_FOUND"]);
      return true;
    });
  });

  test(`${name}: an error of the request has its code`, async () => {
    await assert.rejects(query(NONSENSE, {}), (error) => {
      assert.deepEqual(codes(error), ["BAD_USER_INPUT"]);
      return true;
    });
  });

  if (events) {
    test(`${name}: a subscription resumes after a cursor, without gaps or duplicates`, async () => {
      const { transitionCursor } = await query(CURSOR, {});
      const { operation } = (await mutate(CREATE, write(SIMULATED))).createDeviceOperation;
      const steps = [];
      let cursor = transitionCursor;
      while (steps.at(-1)?.toStatus !== "CONFIRMED") {
        for await (const { operationTransitions: step } of events(STEPS, { ids: [operation.id], after: cursor })) {
          cursor = step.cursor;
          steps.push(step);
          break; // each step over a subscription of its own
        }
      }
      assert.deepEqual(steps.map((step) => step.number), steps.map((_, index) => index + 1));
      assert.equal(steps[0].toStatus, "QUEUED");
    });
  }
}

/** An async iterator over what a callback subscription gives; leaving the loop calls what `start` returned. */
export async function* iterate(start) {
  const arrived = [];
  let wake = () => {};
  const put = (item) => {
    arrived.push(item);
    wake();
  };
  const stop = start({
    next: (value) => put({ value }),
    error: (error) => put({ error }),
    complete: () => put({ done: true }),
  });
  try {
    for (;;) {
      while (arrived.length === 0) await new Promise((resolve) => (wake = resolve));
      const { value, error, done } = arrived.shift();
      if (error) throw error;
      if (done) return;
      yield value;
    }
  } finally {
    stop();
  }
}
