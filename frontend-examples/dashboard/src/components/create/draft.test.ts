import { describe, expect, test } from "vitest";

import type { ModelPartsFragment, ValueType } from "../../api/generated";
import { KINDS } from "../../operation-rules";
import { nearestField } from "../field";
import { buildInput, type Draft, newDraft, newRow, valueForm } from "./draft";
import { danger, kindFor, refusal } from "./kinds";
import { mergeObjects, nodeTemplate, parsePath } from "./models";
import { FieldError } from "./values";

const TYPES: ValueType[] = ["STRING", "INTEGER", "UNSIGNED_INTEGER", "FLOAT", "BOOLEAN", "OPAQUE", "TIME", "OBJLNK", "CORELINK"];

function resource(resourceId: number, type: ValueType | null, operations: string, more: object = {}) {
  return {
    resourceId,
    name: `R${resourceId}`,
    type,
    operations,
    multiple: false,
    mandatory: false,
    range: null,
    units: null,
    ...more,
  };
}

/** Object 9: resource 0 to 8 of each type, 10 bounded, 11 multiple, 12 read-only, 13 executable, 14 bounded in length. */
const MODEL: ModelPartsFragment = {
  objectId: 9,
  name: "Nine",
  multiple: true,
  resources: [
    ...TYPES.map((type, id) => resource(id, type, "RW")),
    resource(10, "INTEGER", "RW", { range: "0..100", mandatory: true }),
    resource(11, "UNSIGNED_INTEGER", "RW", { multiple: true }),
    resource(12, "STRING", "R"),
    resource(13, null, "E"),
    resource(14, "STRING", "RW", { range: "0..3" }),
  ],
};
const OBJECTS = mergeObjects(undefined, [MODEL]);

function draft(kind: Draft["kind"], path: string, row: object = {}, more: Partial<Draft> = {}): Draft {
  return { ...newDraft(kind, path), rows: [{ ...newRow(path), ...row }], ...more };
}

function failure(one: Draft): { field: string; message: string } {
  try {
    buildInput(one, OBJECTS);
  } catch (error) {
    if (error instanceof FieldError) return { field: error.field, message: error.message };
    throw error;
  }
  throw new Error("no error");
}

describe("a value", () => {
  test.each([
    [0, "https://url.com/a", { string: "https://url.com/a" }],
    [0, "", { string: "" }],
    [1, " -9223372036854775808 ", { integer: "-9223372036854775808" }],
    [2, "18446744073709551615", { unsignedInteger: "18446744073709551615" }],
    [3, "1e300", { float: 1e300 }],
    [4, "false", { boolean: false }],
    [5, "00 FF:10", { opaque: "00FF10" }],
    [6, "2026-11-30T12:00:01", { time: new Date("2026-11-30T12:00:01").toISOString() }],
    [7, "3303/0", { objectLink: { objectId: 3303, objectInstanceId: 0 } }],
    [8, "</3/0>", { coreLink: "</3/0>" }],
  ])("of resource %i is written as %j", (id, text, value) => {
    expect(buildInput(draft("WRITE", `/9/0/${id}`, { text }), OBJECTS)).toEqual({ kind: "WRITE", path: `/9/0/${id}`, value });
  });

  test.each([
    [1, "9223372036854775808"],
    [1, "1.5"],
    [2, "-1"],
    [2, "18446744073709551616"],
    [3, "NaN"],
    [3, ""],
    [4, ""],
    [5, "0ff"],
    [6, "tomorrow"],
    [7, "3303"],
    [10, "101"],
    [14, "long"],
  ])("of resource %i cannot be %j", (id, text) => {
    expect(failure(draft("WRITE", `/9/0/${id}`, { text })).field).toBe("value");
  });

  test.each([
    [10, "101", { integer: "101" }],
    [14, "long", { string: "long" }],
  ])("of resource %i is %j where the range does not matter", (id, text, value) => {
    expect(buildInput(draft("WRITE", `/9/0/${id}`, { text }, { validateRange: false }), OBJECTS)).toMatchObject({ value });
  });

  test("without a known model has the chosen type", () => {
    expect(buildInput(draft("WRITE", "5/0/1", { text: "7", type: "INTEGER" }), OBJECTS)).toEqual({
      kind: "WRITE",
      path: "/5/0/1",
      value: { integer: "7" },
    });
  });

  test("of a multiple resource has ids", () => {
    const instances = [
      { id: "0", text: "1" },
      { id: "7", text: "18446744073709551615" },
    ];
    const one = draft("WRITE", "/9/0/11", { instances });
    expect(buildInput(one, OBJECTS).value).toEqual({
      multiple: [
        { id: 0, value: { unsignedInteger: "1" } },
        { id: 7, value: { unsignedInteger: "18446744073709551615" } },
      ],
    });
    expect(failure(draft("WRITE", "/9/0/11", { instances: [instances[0], instances[0]] })).field).toBe("value.multiple.1.id");
  });

  test("of an instance is a node", () => {
    const text = nodeTemplate(MODEL);
    expect(buildInput(draft("WRITE", "/9/0", { text }), OBJECTS).value).toEqual({
      node: { kind: "instance", resources: [{ id: 10, kind: "singleResource", type: "INTEGER", value: "0" }] },
    });
    expect(buildInput(draft("CREATE", "/9"), OBJECTS)).toEqual({ kind: "CREATE", path: "/9" });
    expect(failure(draft("WRITE", "/9/0", { text: "{" })).field).toBe("value");
  });

  test.each(["9007199254740993", "-18446744073709551615", "1e400"])(
    "of an instance cannot have the number %s, which JavaScript would change",
    (number) => {
      expect(failure(draft("WRITE", "/9/0", { text: `{"resources": [{"value": ${number}}]}` }))).toMatchObject({
        field: "value",
        message: expect.stringContaining("in quotes") as string,
      });
      const exact = `{"value": "${number}", "float": 0.1}`;
      expect(buildInput(draft("WRITE", "/9/0", { text: exact }), OBJECTS).value).toEqual({ node: JSON.parse(exact) as unknown });
    },
  );
});

test("a resource instance is a single value", () => {
  expect(valueForm("WRITE", "/9/0/11/3", OBJECTS)).toBe("single");
  expect(valueForm("WRITE", "/9/0/11", OBJECTS)).toBe("multiple");
});

test.each(KINDS)("%s has its own fields only", (kind) => {
  const one = draft(kind, "/9/0/0", { text: "{}" }, { arguments: "0='a'", attributes: { pmin: "1" } });
  const input = buildInput({ ...one, rows: [{ ...one.rows[0]!, path: kind === "EXECUTE" ? "/9/0/13" : "/9/0/0" }] }, OBJECTS);
  const own = {
    WRITE: ["path", "value"],
    CREATE: ["path", "value"],
    EXECUTE: ["path", "arguments"],
    WRITE_ATTRIBUTES: ["path", "attributes"],
    READ_COMPOSITE: ["paths"],
    OBSERVE_COMPOSITE: ["paths"],
    CANCEL_OBSERVE_COMPOSITE: ["paths"],
    WRITE_COMPOSITE: ["values"],
  } as Record<string, string[]>;
  expect(Object.keys(input).sort()).toEqual(["kind", ...(own[kind] ?? ["path"])].sort());
});

test("an invalid path of a composite is named by its number", () => {
  const one = { ...draft("READ_COMPOSITE", "/9/0/0"), rows: [newRow("/9/0/0"), newRow("/9/x")] };
  expect(failure(one).field).toBe("paths.1");
  expect(failure({ ...one, kind: "WRITE_COMPOSITE" }).field).toBe("values.1.path");
});

test.each(["1.5", "soon"])("%s is no number of seconds", (text) => {
  expect(failure(draft("READ", "/9", {}, { options: { ttlSeconds: text } })).field).toBe("ttlSeconds");
  expect(failure(draft("WRITE_ATTRIBUTES", "/9", {}, { attributes: { pmin: text } })).field).toBe("attributes.pmin");
});

test("options are given only if they are set", () => {
  const options = {
    priority: "5",
    maxAttempts: "",
    ttlSeconds: "60",
    repeatable: "true",
    format: "TLV",
    sequence: "s",
    notBefore: "2026-11-30T12:00",
  };
  expect(buildInput(draft("READ", "/9", {}, { options }), OBJECTS)).toEqual({
    kind: "READ",
    path: "/9",
    priority: 5,
    ttlSeconds: 60,
    repeatable: true,
    format: "TLV",
    sequence: "s",
    notBefore: new Date("2026-11-30T12:00").toISOString(),
  });
});

test("a kind is limited to what the resource permits", () => {
  const [, executable] = [MODEL.resources[11]!, MODEL.resources[12]!];
  expect(refusal("WRITE", MODEL.resources[11])).toBe("R12 cannot be written (read-only).");
  expect(kindFor("WRITE", executable)).toBe("EXECUTE");
  expect(kindFor("READ", MODEL.resources[0])).toBe("READ");
  expect(failure(draft("EXECUTE", "/9/0/0")).field).toBe("path");
});

test("what may harm the device is named", () => {
  expect(danger({ kind: "EXECUTE", path: "/3/0/4" })).toContain("reboots");
  expect(danger({ kind: "EXECUTE", path: "/3/0/5" })).toContain("factory");
  expect(danger({ kind: "DELETE", path: "/9/0" })).toContain("deletes");
  expect(danger({ kind: "EXECUTE", path: "/9/0/13", repeatable: true })).toContain("twice");
  expect(danger({ kind: "EXECUTE", path: "/9/0/13" })).toBeUndefined();
  expect(danger({ kind: "WRITE", path: "/3/0/4" })).toBeUndefined();
  expect(danger({ kind: "WRITE", path: "/5/0/1", value: { string: "" } })).toContain("empty");
  expect(danger({ kind: "EXECUTE", path: "/5/0/2" })).toContain("installs");
  expect(danger({ kind: "EXECUTE", path: "/9/0/13" }, 50)).toContain("Each device");
});

test("an error of the server belongs to the nearest field", () => {
  const known = ["path", "value", "values.1.path", "values.1.value", "attributes.pmin"];
  expect(nearestField("value.integer", known)).toBe("value");
  expect(nearestField("input.values.1.value.float", known)).toBe("values.1.value");
  expect(nearestField("values", known)).toBeUndefined();
  expect(nearestField("inputs.3.path", known)).toBe("path");
});

test("a path has one to four ids", () => {
  expect(parsePath(" 3/0/1 ")).toEqual([3, 0, 1]);
  expect(parsePath("/3/0/1/2/4")).toBeUndefined();
  expect(parsePath("/")).toBeUndefined();
});
