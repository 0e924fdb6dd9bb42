import { createClient } from "graphql-ws";

import { contract } from "./support/contract.js";
import { HEADERS, URL_WS } from "./support/site.js";
import { adapted } from "./support/streaming.js";

contract("graphql-ws", adapted(createClient({ url: URL_WS, connectionParams: HEADERS })));
