/** The form that creates an operation. What the server finds wrong is said at the field that it names. */

import { byId, el, setAttribute, setText } from "../dom.js";
import { randomKey } from "../graphql.js";
import { BadValue, FIELD_OF_TYPE, ValueEditor, nextId } from "./values.js";

const NO_COMPOSITE = ["READ", "WRITE", "EXECUTE", "CREATE", "DELETE", "DISCOVER", "OBSERVE", "CANCEL_OBSERVE", "WRITE_ATTRIBUTES"];
const PATHS = ["READ_COMPOSITE", "OBSERVE_COMPOSITE", "CANCEL_OBSERVE_COMPOSITE"];
const KINDS = [...NO_COMPOSITE, "READ_COMPOSITE", "WRITE_COMPOSITE", "OBSERVE_COMPOSITE", "CANCEL_OBSERVE_COMPOSITE"];
const FORMATS = ["TLV", "SENML_JSON", "SENML_CBOR", "CBOR", "JSON", "TEXT", "OPAQUE"];
const ATTRIBUTES = ["pmin", "pmax", "gt", "lt", "st", "epmin", "epmax"];
const PATH_HINTS = { CREATE: "/3442", DELETE: "/3442/8", EXECUTE: "/3/0/4", DISCOVER: "/3", WRITE: "/5/0/1", OBSERVE: "/3303/0/5700" };

/** Which parts of the form a kind needs. */
const PARTS = {
  path: (kind) => NO_COMPOSITE.includes(kind),
  paths: (kind) => PATHS.includes(kind),
  value: (kind) => kind === "WRITE" || kind === "CREATE",
  values: (kind) => kind === "WRITE_COMPOSITE",
  replace: (kind) => kind === "WRITE",
  arguments: (kind) => kind === "EXECUTE",
  attributes: (kind) => kind === "WRITE_ATTRIBUTES",
  supersede: (kind) => kind === "WRITE" || kind === "WRITE_COMPOSITE",
};

export class CreateView {
  #form = byId("create");
  #open = byId("create-open");
  #create;
  #store;
  #parts = {};
  #value = new ValueEditor();
  #rows = el("div", { class: "composite" });
  #editors = new Map();
  #error = el("p", { class: "form-error", role: "alert", hidden: true });
  #submit = el("button", { type: "submit", class: "primary", text: "Create" });
  #pending = { input: null, key: null };

  /**
   * @param {(input: object) => Promise<object>} create fails with a GraphQLFailure
   * @param {object} store for the paths and types that are known of the endpoint
   */
  constructor(create, store) {
    this.#create = create;
    this.#store = store;
    this.#build();
    this.#open.addEventListener("click", () => this.show(this.#form.hidden));
    this.#form.addEventListener("submit", (event) => this.#submitted(event));
    this.#form.addEventListener("keydown", (event) => event.key === "Escape" && this.show(false));
  }

  show(open) {
    this.#form.hidden = !open;
    setAttribute(this.#open, "aria-expanded", String(open));
    if (open) this.#form.elements.kind.focus();
    else if (this.#form.contains(document.activeElement)) this.#open.focus();
  }

  /** Offer the paths that are known of the endpoint. */
  render(store) {
    const paths = [...store.resources.keys()];
    const list = byId("known-paths");
    if (list.childElementCount === paths.length) return;
    list.replaceChildren(...paths.map((path) => el("option", { value: path })));
  }

  #build() {
    const kind = select("kind", KINDS.map((name) => [name, name]), "WRITE");
    const path = el("input", { name: "path", type: "text", autocomplete: "off", spellcheck: "false", list: "known-paths" });
    kind.addEventListener("change", () => this.#arrange());
    path.addEventListener("change", () => this.#suggestType(path.value));
    this.#parts = {
      path: field("Path", path, "path"),
      paths: field("Paths, one on each line", el("textarea", { name: "paths", rows: "3", spellcheck: "false", class: "code" }), "paths"),
      value: this.#value.node,
      values: this.#compositeEditor(),
      arguments: field("Arguments", el("input", { name: "arguments", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "0='text',1" }), "arguments"),
      attributes: attributesEditor(),
      replace: check("replace", "Replace the whole instance or resource (off: change only what is given)", true),
      supersede: check("supersede", "Cancel older waiting writes to the same path", false),
    };
    this.#form.append(
      el("datalist", { id: "known-paths" }),
      el("div", { class: "first-row" }, field("Kind", kind, "kind"), this.#parts.path),
      this.#parts.paths, this.#parts.value, this.#parts.values, this.#parts.arguments, this.#parts.attributes,
      this.#parts.replace, this.#parts.supersede,
      options(),
      this.#error,
      el("div", { class: "actions" }, this.#submit, el("button", { type: "button", class: "quiet", text: "Close", on: { click: () => this.show(false) } })),
    );
    this.#addRow();
    this.#arrange();
  }

  #compositeEditor() {
    const add = el("button", { type: "button", class: "small", text: "Add a path", on: { click: () => this.#addRow() } });
    return el("div", { class: "values", "data-field": "values" }, this.#rows, add);
  }

  #addRow() {
    const editor = new ValueEditor({ field: "values.value" });
    const path = el("input", { type: "text", "data-path": "", autocomplete: "off", spellcheck: "false", list: "known-paths", placeholder: "/3303/0/5700" });
    const row = el("div", { class: "composite-row" }, field("Path", path, "values.path"), editor.node);
    const remove = el("button", { type: "button", class: "small quiet", text: "Remove this path", on: { click: () => this.#removeRow(row) } });
    row.append(remove);
    this.#editors.set(row, editor);
    this.#rows.append(row);
  }

  #removeRow(row) {
    if (this.#editors.size === 1) return;
    this.#editors.delete(row);
    row.remove();
  }

  #arrange() {
    const kind = this.#form.elements.kind.value;
    for (const [name, part] of Object.entries(this.#parts)) part.hidden = !PARTS[name](kind);
    this.#form.elements.path.placeholder = PATH_HINTS[kind] ?? "/3/0";
    if (kind === "CREATE") this.#value.setType("node");
    this.#clearErrors();
  }

  #suggestType(path) {
    const text = path.trim();
    const known = this.#store.resources.get(text.startsWith("/") ? text : `/${text}`);
    if (known && known.type in FIELD_OF_TYPE) this.#value.setType(FIELD_OF_TYPE[known.type]);
  }

  async #submitted(event) {
    event.preventDefault();
    this.#clearErrors();
    const input = this.#read();
    if (!input) return;
    this.#submit.disabled = true;
    try {
      await this.#create({ ...input, idempotencyKey: this.#keyFor(input) });
      this.#pending = { input: null, key: null };
    } catch (failure) {
      this.#failed(failure);
    } finally {
      this.#submit.disabled = false;
    }
  }

  // The same input after an uncertain answer goes with the same key: Reveille then answers the operation made before.
  #keyFor(input) {
    const text = JSON.stringify(input);
    if (this.#pending.input !== text) this.#pending = { input: text, key: randomKey() };
    return this.#pending.key;
  }

  #failed(failure) {
    if (!failure.code) throw failure;
    if (!failure.uncertain) this.#pending = { input: null, key: null };
    const advice = failure.uncertain ? " It may have happened: press Create again, it is then not made twice." : "";
    this.#showError(failure.extensions.field, failure.message + advice);
  }

  #read() {
    const { elements } = this.#form;
    const kind = elements.kind.value;
    const input = { endpoint: this.#store.selected, kind, ...readOptions(elements) };
    try {
      if (PARTS.path(kind)) input.path = elements.path.value.trim();
      if (PARTS.paths(kind)) input.paths = elements.paths.value.split(/\s+/).filter(Boolean);
      if (PARTS.value(kind)) input.value = readAt("value", () => this.#value.read());
      if (PARTS.values(kind)) input.values = this.#readRows();
      if (PARTS.replace(kind)) input.replace = elements.replace.checked;
      if (PARTS.supersede(kind)) input.supersede = elements.supersede.checked;
      if (PARTS.arguments(kind) && elements.arguments.value) input.arguments = elements.arguments.value;
      if (PARTS.attributes(kind)) input.attributes = numbers(elements, ATTRIBUTES);
      return input;
    } catch (failure) {
      if (!(failure instanceof BadValue)) throw failure;
      this.#showError(failure.field, failure.message, failure.control);
      return null;
    }
  }

  #readRows() {
    return [...this.#editors].map(([row, editor], index) => ({
      path: row.querySelector("[data-path]").value.trim(),
      value: readAt(`values.${index}.value`, () => editor.read()),
    }));
  }

  #showError(name, message, typed = null) {
    const place = name ? this.#placeOf(name.replace(/^input\./, "")) : null;
    const control = place?.querySelector("input:not([hidden]), select, textarea");
    if (!place || place.hidden || !control) {
      setText(this.#error, name ? `${name}: ${message}` : message);
      this.#error.hidden = false;
      return;
    }
    place.closest("details")?.setAttribute("open", "");
    const target = typed ?? place.querySelector("[data-value]") ?? control;
    const note = el("p", { class: "field-error", id: nextId("error") });
    setText(note, message);
    place.append(note);
    setAttribute(target, "aria-invalid", "true");
    setAttribute(target, "aria-describedby", note.id);
    target.focus();
  }

  /** The part of the form that a field of the input belongs to: the longest name that is known, from `values.1.path` down. */
  #placeOf(name) {
    const [first, index, last] = name.split(".");
    const row = first === "values" && /^\d+$/.test(index ?? "") ? [...this.#editors.keys()][Number(index)] : null;
    if (row) return row.querySelector(`[data-field="values.${last === "path" ? "path" : "value"}"]`);
    const names = name.split(".").map((_, at, parts) => parts.slice(0, parts.length - at).join("."));
    const fields = [...this.#form.querySelectorAll("[data-field]")];
    return names.map((known) => fields.find((node) => node.dataset.field === known)).find(Boolean) ?? null;
  }

  #clearErrors() {
    this.#error.hidden = true;
    for (const note of this.#form.querySelectorAll(".field-error")) note.remove();
    for (const control of this.#form.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    }
  }
}

function readAt(name, read) {
  try {
    return read();
  } catch (failure) {
    if (failure instanceof BadValue) failure.field = name;
    throw failure;
  }
}

function readOptions(elements) {
  const chosen = numbers(elements, ["priority", "ttlSeconds", "timeoutSeconds", "maxAttempts"]);
  if (elements.repeatable.value) chosen.repeatable = elements.repeatable.value === "yes";
  if (elements.format.value) chosen.format = elements.format.value;
  return chosen;
}

function numbers(elements, names) {
  const given = names.filter((name) => elements[name].value !== "");
  return Object.fromEntries(given.map((name) => [name, Number(elements[name].value)]));
}

function options() {
  return el("details", { class: "options" },
    el("summary", { text: "Options" }),
    el("div", { class: "option-grid" },
      field("Priority", number("priority", { min: -100, max: 100, placeholder: "0" }), "priority"),
      field("Expires after (s)", number("ttlSeconds", { min: 1, placeholder: "never" }), "ttlSeconds"),
      field("Timeout of a call (s)", number("timeoutSeconds", { min: 1, max: 600, placeholder: "30" }), "timeoutSeconds"),
      field("Attempts at most", number("maxAttempts", { min: 1, max: 100, placeholder: "3" }), "maxAttempts"),
      field("Repeatable", select("repeatable", [["", "By kind"], ["yes", "Yes"], ["no", "No"]], ""), "repeatable"),
      field("Format", select("format", [["", "Automatic"], ...FORMATS.map((name) => [name, name])], ""), "format")));
}

function attributesEditor() {
  const inputs = ATTRIBUTES.map((name) => field(name, number(name, { step: "any" }), `attributes.${name}`));
  return el("fieldset", { class: "option-grid", "data-field": "attributes" }, el("legend", { text: "Attributes" }), ...inputs);
}

function field(label, control, name) {
  return el("div", { class: "field", "data-field": name }, el("label", {}, label, control));
}

function check(name, label, checked) {
  return el("div", { class: "field", "data-field": name }, el("label", { class: "check" }, el("input", { type: "checkbox", name, checked }), label));
}

function number(name, attributes) {
  return el("input", { type: "number", name, ...attributes });
}

function select(name, choices, chosen) {
  return el("select", { name }, ...choices.map(([value, text]) => el("option", { value, text, selected: value === chosen })));
}
