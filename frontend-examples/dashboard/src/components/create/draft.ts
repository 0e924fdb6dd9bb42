/** The state of the form, and the input of the API that is built from it. */

import type { ContentFormat, DeviceOperationTemplateInput, OperationKind, ResourceValueInput, ValueType } from "../../api/generated";
import type { Problem } from "../../api/problem";
import { type Attribute, ATTRIBUTES, isWhole, KIND_FIELDS, refusal } from "./kinds";
import { type Objects, parsePath, resourceAt } from "./models";
import { FieldError, type InstanceText, instant, multipleValue, nodeValue, singleValue } from "./values";

/** A path, with what is written to it. */
export interface Row {
  /** Identity within the form. */
  key: number;
  path: string;
  /** Type of the value where no object model is known. */
  type: ValueType;
  text: string;
  instances: readonly InstanceText[];
}

export interface Draft {
  kind: OperationKind;
  /** One row, except for composites. */
  rows: readonly Row[];
  arguments: string;
  attributes: Readonly<Record<string, string>>;
  replace: boolean;
  supersede: boolean;
  validateRange: boolean;
  /** Texts of the further options by their GraphQL names; "" for the default. */
  options: Readonly<Record<string, string>>;
}

let nextKey = 1;

export const newRow = (path = ""): Row => ({ key: nextKey++, path, type: "STRING", text: "", instances: [{ id: "0", text: "" }] });

export const newDraft = (kind: OperationKind, path: string): Draft => ({
  kind,
  rows: [newRow(path)],
  arguments: "",
  attributes: {},
  replace: true,
  supersede: false,
  validateRange: true,
  options: {},
});

/** The form of a value: one, several by id, or a whole instance. */
type ValueForm = "single" | "multiple" | "node";

export function valueForm(kind: OperationKind, path: string, objects: Objects): ValueForm {
  const depth = parsePath(path)?.length ?? 0;
  if (kind === "CREATE" || (kind === "WRITE" && (depth === 1 || depth === 2))) return "node";
  return kind === "WRITE" && depth === 3 && resourceAt(path, objects)?.multiple ? "multiple" : "single";
}

export const typeOf = (row: Row, objects: Objects): ValueType => resourceAt(row.path, objects)?.type ?? row.type;

/** Whether values have a meaning for a kind. */
export const hasValue = (kind: OperationKind): boolean => kind === "WRITE" || kind === "CREATE" || kind === "WRITE_COMPOSITE";

/**
 * Build the input of an operation.
 *
 * @throws {FieldError} for the first field that is invalid.
 */
export function buildInput(draft: Draft, objects: Objects): DeviceOperationTemplateInput {
  return { kind: draft.kind, ...target(draft, objects), ...details(draft), ...options(draft) };
}

/** The input of an operation, or the problem of the first field that is invalid. */
export function inputOf(
  draft: Draft,
  objects: Objects,
): { input: DeviceOperationTemplateInput; problem?: undefined } | { input?: undefined; problem: Problem } {
  try {
    return { input: buildInput(draft, objects) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { problem: { code: "BAD_USER_INPUT", field: error.field, message: error.message } };
  }
}

function target(draft: Draft, objects: Objects): Partial<DeviceOperationTemplateInput> {
  const { kind, rows } = draft;
  switch (KIND_FIELDS[kind].paths) {
    case "paths":
      return { paths: rows.map((row, index) => checkedPath(kind, row.path, objects, `paths.${index}`)) };
    case "values":
      return {
        values: rows.map((row, index) => ({
          path: checkedPath(kind, row.path, objects, `values.${index}.path`),
          value: valueOf(draft, row, objects, `values.${index}.value`)!,
        })),
      };
    case "path": {
      const row = rows[0]!;
      const path = checkedPath(kind, row.path, objects, "path");
      const value = hasValue(kind) ? valueOf(draft, row, objects, "value") : undefined;
      return value ? { path, value } : { path };
    }
  }
}

function checkedPath(kind: OperationKind, path: string, objects: Objects, field: string): string {
  const ids = parsePath(path);
  if (!ids) throw new FieldError(field, "A path is expected, such as /5/0/1.");
  const refused = refusal(kind, resourceAt(path, objects));
  if (refused) throw new FieldError(field, refused);
  return `/${ids.join("/")}`;
}

/** The value of a row; undefined for a CREATE whose values the device sets. */
function valueOf({ kind, validateRange }: Draft, row: Row, objects: Objects, field: string): ResourceValueInput | undefined {
  const type = typeOf(row, objects);
  const known = resourceAt(row.path, objects);
  const resource = known && !validateRange ? { ...known, range: null } : known;
  switch (valueForm(kind, row.path, objects)) {
    case "node":
      return kind === "CREATE" && !row.text.trim() ? undefined : nodeValue(row.text, field);
    case "multiple":
      return multipleValue(type, row.instances, field, resource);
    case "single":
      return singleValue(type, row.text, field, resource);
  }
}

function details(draft: Draft): Partial<DeviceOperationTemplateInput> {
  switch (draft.kind) {
    case "EXECUTE":
      return draft.arguments ? { arguments: draft.arguments } : {};
    case "WRITE":
      return { ...(!draft.replace && { replace: false }), ...(draft.supersede && { supersede: true }), ...range(draft) };
    case "CREATE":
    case "WRITE_COMPOSITE":
      return range(draft);
    case "WRITE_ATTRIBUTES": {
      const given = ATTRIBUTES.filter((name) => draft.attributes[name]?.trim());
      if (!given.length) throw new FieldError("attributes.pmin", "At least one attribute is expected.");
      const read = (name: Attribute) => (isWhole(name) ? whole : number)(draft.attributes[name]!, `attributes.${name}`);
      return { attributes: Object.fromEntries(given.map((name) => [name, read(name)])) };
    }
    default:
      return {};
  }
}

const range = ({ validateRange }: Draft): Partial<DeviceOperationTemplateInput> => (validateRange ? {} : { validateRange: false });

const WHOLE_NUMBERS = ["priority", "maxAttempts", "ttlSeconds", "timeoutSeconds"] as const;

function options({ options: given }: Draft): Partial<DeviceOperationTemplateInput> {
  const input: Partial<DeviceOperationTemplateInput> = {};
  for (const name of WHOLE_NUMBERS) {
    if (given[name]?.trim()) input[name] = whole(given[name], name);
  }
  if (given["repeatable"]) input.repeatable = given["repeatable"] === "true";
  if (given["format"]) input.format = given["format"] as ContentFormat;
  if (given["sequence"]) input.sequence = given["sequence"];
  if (given["notBefore"]) input.notBefore = instant(given["notBefore"], "notBefore");
  return input;
}

function whole(text: string, field: string): number {
  const value = number(text, field);
  if (!Number.isInteger(value)) throw new FieldError(field, "A whole number is expected.");
  return value;
}

function number(text: string, field: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new FieldError(field, "A number is expected.");
  return value;
}
