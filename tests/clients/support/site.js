/** The running Reveille that pytest started, and what the suites ask it. */
import { randomUUID } from "node:crypto";

import WebSocket from "ws";

// Node has it from version 22 on. Apollo's link uses the global one even where graphql-ws was given another.
globalThis.WebSocket ??= WebSocket;

export const URL_HTTP = process.env.REVEILLE_CLIENTS_URL;
export const URL_WS = URL_HTTP.replace(/^http/, "ws");
export const TOKEN = process.env.REVEILLE_CLIENTS_TOKEN;
export const HEADERS = { Authorization: `Bearer ${TOKEN}` };

export const COUNTS = /* GraphQL */ `
  query Counts { operationCounts { status count } transitionCursor }`;
export const CURSOR = /* GraphQL */ `
  query Cursor { transitionCursor }`;
export const NONSENSE = /* GraphQL */ `
  query Nonsense { nonsense }`;
export const CREATE = /* GraphQL */ `
  mutation Create($input: CreateDeviceOperationInput!) {
    createDeviceOperation(input: $input) { created operation { id status } }
  }`;
export const CANCEL = /* GraphQL */ `
  mutation Cancel($id: ID!) { cancelDeviceOperation(id: $id) { id status } }`;
export const STEPS = /* GraphQL */ `
  subscription Steps($endpoint: String, $ids: [ID!], $after: String) {
    operationTransitions(endpoint: $endpoint, operationIds: $ids, after: $after) {
      cursor number toStatus operation { id }
    }
  }`;

/** The variables of a mutation that writes to a device. */
export function write(endpoint) {
  return { input: { endpoint, kind: "WRITE", path: "/5/0/1", value: { string: "https://url.com/fw.bin" } } };
}

/** The data of a request made without any client library. */
export async function ask(query, variables = {}) {
  const response = await fetch(URL_HTTP, {
    method: "POST",
    headers: { ...HEADERS, "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** The name of a new endpoint. It never registers, so that its operations stay QUEUED. */
export async function newEndpoint() {
  const name = `client-${randomUUID()}`;
  await ask(`mutation ($name: String!) { provisionEndpoint(name: $name) { name } }`, { name });
  return name;
}

/** The ids of an endpoint's operations. */
export async function operationsOf(name) {
  const query = `query ($name: String!) { endpoint(name: $name) { operations { edges { node { id } } } } }`;
  return (await ask(query, { name })).endpoint.operations.edges.map(({ node }) => node.id);
}
