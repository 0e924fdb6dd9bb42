import { expect, test } from "vitest";

import type { EndpointRowFragment } from "../../api/generated";
import type { EndpointSearch } from "../../filters";
import { mayMatch } from "./live-endpoints";

const ROW: EndpointRowFragment = {
  id: "1",
  name: "dev-1",
  presence: "ASLEEP",
  awakeUntil: null,
  lastSeenAt: null,
  pendingOperations: 2,
  overdue: false,
  tags: ["site:north"],
};

test.each<[EndpointSearch, boolean]>([
  [{}, true],
  [{ nameContains: "ev-" }, true],
  [{ nameContains: "DEV" }, false],
  [{ presences: ["ONLINE", "ASLEEP"] }, true],
  [{ presences: ["ONLINE"] }, false],
  [{ tags: ["site:north"] }, true],
  [{ tags: ["site:north", "model:x1"] }, false],
  [{ hasPending: false }, false],
  [{ overdue: false, hasPending: true }, true],
  [{ objectId: 5 }, true],
])("a row matches %j: %s", (filter, expected) => {
  expect(mayMatch(filter, ROW)).toBe(expected);
});
