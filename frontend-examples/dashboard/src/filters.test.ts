import { expect, test } from "vitest";

import { parseEndpointSearch, parseOperationSearch } from "./filters";

test("an address names only the filters that are set", () => {
  expect(parseOperationSearch({})).toEqual({});
  expect(parseEndpointSearch({ unknown: 1, overdue: "yes" })).toEqual({});
});

test("one value of a list is a list", () => {
  expect(parseOperationSearch({ statuses: "FAILED" })).toEqual({ statuses: ["FAILED"] });
  expect(parseEndpointSearch({ tags: ["site:north", 7] })).toEqual({ tags: ["site:north", "7"] });
});

test("a name that looks like a number stays a name", () => {
  expect(parseOperationSearch({ endpoint: 42 })).toEqual({ endpoint: "42" });
});
