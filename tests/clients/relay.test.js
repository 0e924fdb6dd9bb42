/** relay-runtime's network, with the two functions that Relay's guide gives for fetch and graphql-ws. */
import { createClient } from "graphql-ws";
import relay from "relay-runtime";

import { contract, iterate } from "./support/contract.js";
import { HEADERS, URL_HTTP, URL_WS } from "./support/site.js";

const socket = createClient({ url: URL_WS, connectionParams: HEADERS });

async function fetchQuery(request, variables) {
  const response = await fetch(URL_HTTP, {
    method: "POST",
    headers: { ...HEADERS, "Content-Type": "application/json" },
    body: JSON.stringify({ query: request.text, variables }),
  });
  return await response.json();
}

function subscribe(operation, variables) {
  return relay.Observable.create((sink) =>
    socket.subscribe({ operationName: operation.name, query: operation.text, variables }, sink),
  );
}

const network = relay.Network.create(fetchQuery, subscribe);

function execute(operationKind, text, variables) {
  const name = /(?:query|mutation|subscription)\s+(\w+)/.exec(text)[1];
  return network.execute({ id: null, cacheID: name, metadata: {}, name, operationKind, text }, variables, {});
}

class Failed extends Error {
  constructor(errors) {
    super(errors[0].message);
    this.errors = errors;
  }
}

async function result(operationKind, text, variables) {
  const { data, errors } = await execute(operationKind, text, variables).toPromise();
  if (errors) throw new Failed(errors);
  return data;
}

contract("relay-runtime's network", {
  query: (text, variables) => result("query", text, variables),
  mutate: (text, variables) => result("mutation", text, variables),
  codes: (error) => error.errors.map(({ extensions }) => extensions.code),
  events: (text, variables) =>
    iterate((sink) => {
      const subscription = execute("subscription", text, variables).subscribe({
        next: ({ data }) => sink.next(data),
        error: sink.error,
        complete: sink.complete,
      });
      return () => subscription.unsubscribe();
    }),
  close: () => socket.dispose(),
});
