import * as core from "@urql/core";
import * as persisted from "@urql/exchange-persisted";

import { urqlSuite } from "./support/urql.js";

urqlSuite("urql 6", core, persisted);
