import { createClient } from "graphql-sse";

import { contract } from "./support/contract.js";
import { HEADERS, URL_HTTP } from "./support/site.js";
import { adapted } from "./support/streaming.js";

contract("graphql-sse", adapted(createClient({ url: URL_HTTP, headers: HEADERS })));
