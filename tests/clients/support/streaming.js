/** graphql-ws and graphql-sse have the same interface. */
import { iterate } from "./contract.js";

class Failed extends Error {
  constructor(errors) {
    super(errors[0]?.message);
    this.errors = errors;
  }
}

export function adapted(client) {
  async function single(query, variables) {
    for await (const { data, errors } of client.iterate({ query, variables })) {
      if (errors) throw new Failed(errors);
      return data;
    }
  }
  // graphql-ws rejects with the errors of an operation that ended
  const asked = (query, variables) =>
    single(query, variables).catch((error) => Promise.reject(Array.isArray(error) ? new Failed(error) : error));
  return {
    query: asked,
    mutate: asked,
    codes: (error) => error.errors.map(({ extensions }) => extensions.code),
    events: (query, variables) =>
      iterate((sink) => client.subscribe({ query, variables }, { ...sink, next: ({ data }) => sink.next(data) })),
    close: () => client.dispose(),
  };
}
