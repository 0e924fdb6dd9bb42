/** Entering a value of any LwM2M type, single or multiple, and building the ResourceValueInput of it. */

import { el, setAttribute } from "../dom.js";

/** A text that cannot be made a value; `message` says what is expected, `control` is where it was typed. */
export class BadValue extends Error {
  control = null;
}

/** Fields of ResourceValueInput by the ValueType of the answers. */
export const FIELD_OF_TYPE = {
  STRING: "string",
  INTEGER: "integer",
  UNSIGNED_INTEGER: "unsignedInteger",
  FLOAT: "float",
  BOOLEAN: "boolean",
  OPAQUE: "opaque",
  TIME: "time",
  OBJLNK: "objectLink",
  CORELINK: "coreLink",
};

const TYPES = {
  string: { label: "String", input: { autocapitalize: "off" } },
  integer: { label: "Integer", input: { inputmode: "numeric", placeholder: "-2^63 to 2^63-1" } },
  unsignedInteger: { label: "Unsigned integer", input: { inputmode: "numeric", placeholder: "0 to 2^64-1" } },
  float: { label: "Float", input: { inputmode: "decimal", placeholder: "21.5" } },
  boolean: { label: "Boolean" },
  opaque: { label: "Opaque (hex)", input: { placeholder: "00ff10" } },
  time: { label: "Time", input: { type: "datetime-local", step: "1" } },
  objectLink: { label: "Object link", input: { placeholder: "object:instance, like 3303:0" } },
  coreLink: { label: "Core link", input: { placeholder: "</3/0>" } },
  node: { label: "Whole instance (JSON)" },
};

/** Digits stay text all the way: 64 bits do not fit a number of JavaScript. */
const READERS = {
  string: (text) => text,
  integer: (text) => digits(text),
  unsignedInteger: (text) => digits(text),
  float: (text) => float(text),
  boolean: (text) => text === "true",
  opaque: (text) => text.replace(/[\s:]/g, ""),
  time: (text) => time(text),
  objectLink: (text) => objectLink(text),
  coreLink: (text) => text,
  node: (text) => json(text),
};

function digits(text) {
  if (!/^-?\d+$/.test(text.trim())) throw new BadValue("Digits are expected, with a minus sign at most.");
  return text.trim();
}

function float(text) {
  const number = Number(text);
  if (!text.trim() || !Number.isFinite(number)) throw new BadValue("A number is expected, like 21.5.");
  return number;
}

function time(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) throw new BadValue("A date and a time are expected.");
  return moment.toISOString();
}

function objectLink(text) {
  const match = /^\s*(\d{1,5})\s*[:/]\s*(\d{1,5})\s*$/.exec(text);
  if (!match) throw new BadValue("An object and an instance are expected, like 3303:0.");
  return { objectId: Number(match[1]), objectInstanceId: Number(match[2]) };
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadValue("JSON is expected: an instance in Leshan's node form.");
  }
}

function readControl(control, read) {
  try {
    return read(control.value);
  } catch (failure) {
    failure.control = control;
    throw failure;
  }
}

function instanceId(text) {
  if (!/^\s*\d{1,5}\s*$/.test(text)) throw new BadValue("An instance id of 0 to 65535 is expected.");
  return Number(text);
}

let lastId = 0;
export const nextId = (name) => `${name}-${++lastId}`;

/** A type, and one value or the instances of a multiple resource. `field` names it for the errors of the server. */
export class ValueEditor {
  #type = el("select", {}, ...Object.entries(TYPES).map(([value, { label }]) => el("option", { value, text: label })));
  #multiple = el("input", { type: "checkbox" });
  #single = el("div", { class: "value-input" });
  #instances = el("div", { class: "instances", hidden: true });
  #add = el("button", { type: "button", class: "small", text: "Add an instance", on: { click: () => this.#addInstance() } });
  #multipleLabel;

  constructor({ label = "Value", field = "value" } = {}) {
    this.#type.addEventListener("change", () => this.#render());
    this.#multiple.addEventListener("change", () => this.#render());
    this.#multipleLabel = el("label", { class: "check" }, this.#multiple, "Multiple instances");
    this.node = el("fieldset", { class: "value-editor", "data-field": field },
      el("legend", { text: label }),
      el("label", { class: "type" }, "Type", this.#type), this.#multipleLabel, this.#single, this.#instances);
    this.#render();
  }

  /** Choose the type that a resource is known to have. */
  setType(field) {
    if (this.#type.value === field) return;
    this.#type.value = field;
    this.#render();
  }

  /** @throws {BadValue} when the text is no value of the type */
  read() {
    const type = this.#type.value;
    if (!this.#isMultiple) return { [type]: readControl(this.#single.querySelector("[data-value]"), READERS[type]) };
    const rows = [...this.#instances.querySelectorAll(".instance")];
    return { multiple: rows.map((row) => this.#readInstance(row, type)) };
  }

  #readInstance(row, type) {
    const id = readControl(row.querySelector("[data-id]"), instanceId);
    return { id, value: { [type]: readControl(row.querySelector("[data-value]"), READERS[type]) } };
  }

  get #isMultiple() {
    return this.#multiple.checked && this.#type.value !== "node";
  }

  #render() {
    const multiple = this.#isMultiple;
    this.#multipleLabel.hidden = this.#type.value === "node";
    this.#single.hidden = multiple;
    this.#instances.hidden = !multiple;
    this.#single.replaceChildren(...(multiple ? [] : [el("label", {}, "Value", valueInput(this.#type.value))]));
    this.#instances.replaceChildren(this.#add);
    if (multiple) this.#addInstance();
  }

  #addInstance() {
    const id = this.#instances.querySelectorAll(".instance").length;
    const number = el("input", { "data-id": "", inputmode: "numeric", value: String(id), size: "5" });
    const row = el("div", { class: "instance" }, el("label", { class: "id" }, "Id", number), el("label", {}, "Value", valueInput(this.#type.value)));
    const remove = el("button", { type: "button", class: "small quiet", text: "Remove", on: { click: () => row.remove() } });
    row.append(remove);
    this.#instances.insertBefore(row, this.#add);
  }
}

function valueInput(type) {
  if (type === "boolean") {
    return el("select", { "data-value": "" }, el("option", { value: "true", text: "true" }), el("option", { value: "false", text: "false" }));
  }
  if (type === "node") return el("textarea", { "data-value": "", rows: "5", spellcheck: "false", class: "code" });
  const input = el("input", { type: "text", "data-value": "", autocomplete: "off", spellcheck: "false" });
  for (const [name, value] of Object.entries(TYPES[type].input)) setAttribute(input, name, value);
  return input;
}
