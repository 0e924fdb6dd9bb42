/**
 * Resume subscriptions after a lost connection.
 *
 * graphql-ws and graphql-sse reconnect by themselves and send the request again as it was first sent, so that every event
 * since then arrives again. Both serialize the request when they send it: here its `after` variable is moved to the cursor
 * of each event as it arrives.
 */

/** The variable that carries the cursor, unless the options name another one. */
const VARIABLE = "after";

/**
 * Wrap a client so that its subscriptions resume. A request takes part when its `variables` have the variable, if only as
 * null; every other request passes through unchanged.
 *
 * @param client a client of graphql-ws or graphql-sse
 * @param options `variable`: the name of the variable that carries the cursor, "after" by default
 */
export function resuming(client, { variable = VARIABLE } = {}) {
  function subscribe(payload, sink, ...rest) {
    if (!payload.variables || !Object.hasOwn(payload.variables, variable)) {
      return client.subscribe(payload, sink, ...rest);
    }
    const variables = { ...payload.variables };
    const request = { ...payload, variables };
    let stop = () => {};
    let stopped = false;
    let refused = false;
    let lagged = false;

    function start() {
      lagged = false;
      stop = client.subscribe(request, { next, error, complete }, ...rest);
    }

    function next(result) {
      if (resumeAfterLag(result.errors)) return;
      const event = Object.values(result.data ?? {})[0];
      if (typeof event?.cursor === "string") {
        variables[variable] = event.cursor;
      } else if (event && isSubscription(payload)) {
        refused = true;
        stop();
        sink.error(new TypeError("The subscription must select `cursor`: it cannot resume without it."));
        return;
      }
      sink.next(result);
    }

    function error(failure) {
      if (resumeAfterLag(failure) && !stopped) start();
      else sink.error(failure);
    }

    function complete() {
      if (lagged && !stopped) start();
      else if (!refused) sink.complete();
    }

    /** The server ended the subscription because events came faster than they were read, and says where to resume. */
    function resumeAfterLag(errors) {
      if (!Array.isArray(errors)) return false;
      const cursor = errors.find((one) => one.extensions?.code === "LAGGED")?.extensions.cursor;
      lagged = typeof cursor === "string";
      if (lagged) variables[variable] = cursor;
      return lagged;
    }

    start();
    return () => {
      stopped = true;
      stop();
    };
  }

  return { ...client, subscribe, iterate: (payload, ...rest) => iterate(subscribe, payload, ...rest) };
}

function isSubscription({ query }) {
  return /^\s*subscription\b/m.test(query);
}

/** Results as an async iterator, in order; `return()` and leaving a `for await` loop end the subscription. */
function iterate(subscribe, payload, ...rest) {
  const results = [];
  let ended = false;
  let failed = false;
  let failure;
  let wake = () => {};

  function end() {
    ended = true;
    wake();
  }
  const sink = {
    next(result) {
      results.push(result);
      wake();
    },
    error(reason) {
      failed = true;
      failure = reason;
      end();
    },
    complete: end,
  };
  const stop = subscribe(payload, sink, ...rest);

  const iterator = (async function* () {
    for (;;) {
      while (results.length > 0) yield results.shift();
      if (failed) throw failure;
      if (ended) return;
      await new Promise((resolve) => (wake = resolve));
    }
  })();
  const finish = iterator.return.bind(iterator);
  iterator.return = (value) => {
    stop();
    results.length = 0;
    end();
    return finish(value);
  };
  return iterator;
}
