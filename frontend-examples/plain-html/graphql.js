/**
 * GraphQL over HTTP.
 *
 * Every failure, of the network or of Reveille, is a GraphQLFailure with the code of `extensions.code`.
 */

const REQUEST_TIMEOUT_MS = 30_000;
const TOKEN_KEY = "reveille.token";

/** An answer with errors, or none at all. `code` is UNREACHABLE when nothing came back: it may have happened. */
export class GraphQLFailure extends Error {
  constructor(errors) {
    super(errors[0]?.message ?? "Reveille answered with an error");
    this.name = "GraphQLFailure";
    this.extensions = errors[0]?.extensions ?? {};
    this.code = this.extensions.code ?? "INTERNAL";
  }

  /** Nobody knows whether a mutation happened: the same one may be sent again with the same idempotencyKey. */
  get uncertain() {
    return this.code === "UNAVAILABLE" || this.code === "UNREACHABLE";
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(TOKEN_KEY, value) : sessionStorage.removeItem(TOKEN_KEY)),
  headers: () => (token.get() ? { Authorization: `Bearer ${token.get()}` } : {}),
};

/** Where Reveille answers: the page's <meta name="reveille-graphql">, relative to the page. */
export function address(protocol = location.protocol) {
  const url = new URL(document.querySelector('meta[name="reveille-graphql"]').content, location.href.split("#")[0]);
  url.protocol = protocol;
  return url.href;
}

/** The server's clock less ours, in ms: countdowns end when the server says so. Its Date header tells whole seconds. */
export let clockOffset = 0;

export function serverNow() {
  return Date.now() + clockOffset;
}

/**
 * Run a query or a mutation and answer its data.
 * @throws {GraphQLFailure} when there is any error in the answer, or no answer.
 */
export async function execute(query, variables = {}) {
  const response = await send({ query, variables });
  learnClock(response.headers.get("Date"));
  const answer = await readAnswer(response);
  if (answer.errors?.length) throw new GraphQLFailure(answer.errors);
  return answer.data;
}

async function send(body) {
  try {
    return await fetch(address(), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json, application/json;q=0.9",
        ...token.headers(),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch {
    throw failure("UNREACHABLE", "Reveille cannot be reached.");
  }
}

async function readAnswer(response) {
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // no JSON: a proxy spoke, or the answer broke off
  }
  if (answer?.errors?.length || (response.ok && answer?.data)) return answer;
  if (response.status === 401) throw failure("UNAUTHENTICATED", "Reveille asks for an access token.");
  throw failure("UNREACHABLE", `Reveille answered ${response.status} without GraphQL.`);
}

function failure(code, message) {
  return new GraphQLFailure([{ message, extensions: { code } }]);
}

function learnClock(date) {
  const difference = Date.parse(date ?? "") + 500 - Date.now();
  if (Number.isFinite(difference)) clockOffset = Math.abs(difference) > 2_000 ? difference : 0;
}

/** A new idempotencyKey. (crypto.randomUUID is there only over https and on localhost.) */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
