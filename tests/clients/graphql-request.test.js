import { GraphQLClient } from "graphql-request";

import { contract } from "./support/contract.js";
import { HEADERS, URL_HTTP } from "./support/site.js";

const client = new GraphQLClient(URL_HTTP, { headers: HEADERS });

contract("graphql-request", {
  query: (text, variables) => client.request(text, variables),
  mutate: (text, variables) => client.request(text, variables),
  codes: (error) => error.response.errors.map(({ extensions }) => extensions.code),
  events: null, // it has none
});
