/** One operation as a row, with all it knows on demand: what it carries, what became of it, every step it made. */

import { badge, clock, el, setAttribute, setText, syncList } from "../dom.js";
import {
  ago, answerText, deliveryText, clockTime, expiresIn, explain, fullTime, hasEnded, operationTitle, operationValue, reasonText,
  statusTone,
} from "../words.js";

/**
 * @param {object} actions `cancel(operation)`, `retry(operation)`: promises that fail with a sentence; `steps(id)`
 * @param {object} store read for the steps of the operation
 */
export function operationRow(actions, store) {
  const row = new OperationRow(actions, store);
  return { node: row.node, update: (operation) => row.update(operation) };
}

class OperationRow {
  #actions;
  #store;
  #operation = null;
  #badge = badge();
  #title = el("code", { class: "title" });
  #value = el("bdi", { class: "value" });
  #sentence = el("p", { class: "sentence" });
  #detail = el("p", { class: "detail" });
  #answer = el("p", { class: "answer" });
  #problem = el("p", { class: "problem", role: "alert", hidden: true });
  #attempts = el("span", { class: "num" });
  #delivery = el("span");
  #when = clock(ago);
  #expires = clock(expiresIn);
  #priority = el("span", { class: "num" });
  #cancel = el("button", { type: "button", class: "small", text: "Cancel", on: { click: () => this.#act("cancel") } });
  #retry = el("button", { type: "button", class: "small", text: "Retry", on: { click: () => this.#act("retry") } });
  #more = el("button", { type: "button", class: "small quiet", text: "Details", "aria-expanded": "false", on: { click: () => this.#toggle() } });
  #facts = el("dl", { class: "facts" });
  #steps = el("ol", { class: "steps", "aria-label": "Steps" });
  #full = el("div", { class: "full", hidden: true }, this.#facts, this.#steps);

  constructor(actions, store) {
    this.#actions = actions;
    this.#store = store;
    const head = el("div", { class: "operation-head" }, this.#badge.node, this.#title, this.#value);
    const meta = el("p", { class: "meta muted" }, this.#when.node, this.#attempts, this.#delivery, this.#priority, this.#expires.node);
    const buttons = el("div", { class: "operation-actions" }, this.#cancel, this.#retry, this.#more);
    this.node = el("li", { class: "operation" }, head, this.#sentence, this.#answer, this.#detail, this.#problem, meta, buttons, this.#full);
  }

  update(operation) {
    this.#operation = operation;
    const ended = hasEnded(operation);
    const title = operationTitle(operation);
    this.node.dataset.tone = statusTone(operation.status);
    this.#badge.update(operation.status, statusTone(operation.status));
    setText(this.#title, title);
    setText(this.#value, operationValue(operation));
    setText(this.#sentence, explain(operation));
    setText(this.#answer, answerText(operation));
    setText(this.#detail, operation.detail ?? "");
    this.#when.update(operation.finishedAt ?? operation.createdAt, fullTime(operation.createdAt));
    setText(this.#attempts, attemptsText(operation));
    setText(this.#delivery, ended || operation.delivery !== "NOT_SENT" ? deliveryText(operation.delivery) : "");
    setText(this.#priority, operation.priority ? `priority ${operation.priority}` : "");
    this.#expires.update(ended ? null : operation.expiresAt);
    this.#cancel.hidden = operation.status !== "QUEUED" && operation.waitingFor !== "LESHAN_HOLDS_IT";
    this.#retry.hidden = !ended;
    setText(this.#retry, operation.status === "CONFIRMED" ? "Repeat" : "Retry");
    for (const button of [this.#cancel, this.#retry, this.#more]) {
      setAttribute(button, "aria-label", `${button.textContent}: ${title}`);
    }
    if (!this.#full.hidden) this.#renderFull();
  }

  async #act(name) {
    const buttons = [this.#cancel, this.#retry];
    this.#problem.hidden = true;
    for (const button of buttons) button.disabled = true;
    try {
      await this.#actions[name](this.#operation);
    } catch (failure) {
      setText(this.#problem, failure.message);
      this.#problem.hidden = false;
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  #toggle() {
    this.#full.hidden = !this.#full.hidden;
    setAttribute(this.#more, "aria-expanded", String(!this.#full.hidden));
    if (this.#full.hidden) return;
    this.#actions.steps(this.#operation.id);
    this.#renderFull();
  }

  #renderFull() {
    syncList(this.#facts, operationFacts(this.#operation), ([term]) => term, factRow);
    const steps = [...(this.#store.steps.get(this.#operation.id)?.values() ?? [])].sort((a, b) => a.number - b.number);
    syncList(this.#steps, steps, (step) => String(step.number), stepRow);
  }
}

/** All attempts, and how many of them count: an attempt that succeeds, or that never reached the device, does not. */
function attemptsText({ deliveryAttempts, attempts, maxAttempts }) {
  if (!deliveryAttempts) return "";
  return `attempt ${deliveryAttempts}` + (attempts ? `, ${attempts} of ${maxAttempts} counted` : "");
}

function operationFacts(operation) {
  const facts = [
    ["Value", operationValue(operation) || null],
    ["Type", operation.valueType],
    ["Paths", operation.path ? null : operation.paths.join("  ")],
    ["Answer", answerText(operation) || null],
    ["Device status", operation.deviceStatus],
    ["Delivery", deliveryText(operation.delivery)],
    ["Delivery attempts", String(operation.deliveryAttempts)],
    ["Counted attempts", `${operation.attempts} of at most ${operation.maxAttempts}`],
    ["Repeatable", operation.repeatable ? "yes" : "no: it is sent again only if it surely never arrived"],
    ["Checked", operation.validated ? "against the device's object model" : "not: its object model is not known"],
    ["Timeout", `${operation.timeoutSeconds} s`],
    ["Format", operation.format],
    ["Created", fullTime(operation.createdAt) + (operation.createdBy ? ` by ${operation.createdBy}` : "")],
    ["Last attempt", operation.lastAttemptAt && fullTime(operation.lastAttemptAt)],
    ["Expires", operation.expiresAt && fullTime(operation.expiresAt)],
    ["Id", operation.id],
  ];
  return facts.filter(([, text]) => text !== null);
}

function factRow() {
  const [term, text] = [el("dt"), el("dd")];
  return {
    node: el("div", {}, term, text),
    update([name, words]) {
      setText(term, name);
      setText(text, words);
    },
  };
}

function stepRow() {
  const [at, to, why] = [el("time", { class: "num" }), badge(), el("span")];
  return {
    node: el("li", {}, at, to.node, why),
    update(step) {
      setText(at, clockTime(step.at));
      setAttribute(at, "datetime", step.at);
      to.update(step.toStatus, statusTone(step.toStatus));
      setText(why, stepText(step));
    },
  };
}

/** The attempt, the reason and the detail of a transition in one line. */
export function stepText({ attempt, reason, detail, toStatus }) {
  const parts = [];
  if (attempt && toStatus !== "QUEUED") parts.push(`attempt ${attempt}`);
  if (reason) parts.push(reasonText(reason));
  if (detail) parts.push(detail);
  return parts.join(" · ");
}
