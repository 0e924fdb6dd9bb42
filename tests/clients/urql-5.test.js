import * as core from "urql-core-5";
import * as persisted from "urql-exchange-persisted-4";

import { urqlSuite } from "./support/urql.js";

urqlSuite("urql 5", core, persisted);
