/** One endpoint: its state, its queue in the order of sending, its history, its latest values, its registration. */

import { badge, byId, clock, el, setAttribute, setText, syncList } from "../dom.js";
import { ago, awakeFor, clockTime, duration, fullTime, hasEnded, presenceTone, valueText } from "../words.js";
import { operationRow } from "./operation.js";

export class DeviceView {
  #actions;
  #presence = badge();
  #awake = clock(awakeFor);
  #seen = clock((iso) => `last seen ${ago(iso)}`);
  #pending = el("span", { class: "num" });

  /** @param {object} actions `cancel`, `retry` and `steps` of an operation, `older` for the history */
  constructor(actions) {
    this.#actions = actions;
    byId("device-state").append(this.#presence.node, this.#awake.node, this.#seen.node, this.#pending);
    byId("history-more").addEventListener("click", () => actions.older());
  }

  render(store) {
    const chosen = store.selected !== null;
    setText(byId("device-title"), chosen ? store.selected : "Endpoint");
    byId("device-content").hidden = !store.device;
    byId("create-open").hidden = !store.device;
    byId("device-state").hidden = !store.device;
    this.#renderEmpty(store);
    if (!store.device) return;
    this.#renderState(store.endpoints.get(store.selected));
    this.#renderOperations(store);
    this.#renderResources(store);
    this.#renderRegistration(store.device.registration);
  }

  #renderEmpty(store) {
    const empty = byId("device-empty");
    empty.hidden = Boolean(store.device);
    if (store.selected === null) setText(empty, "Choose an endpoint to see its queue, its history and its latest values.");
    else setText(empty, store.missing ? "There is no endpoint of this name." : "Reading ...");
  }

  #renderState(endpoint) {
    this.#presence.update(endpoint.presence, presenceTone(endpoint.presence));
    this.#awake.update(endpoint.presence === "OFFLINE" ? null : endpoint.awakeUntil);
    this.#seen.update(endpoint.lastSeenAt, endpoint.lastSeenAt && fullTime(endpoint.lastSeenAt));
    setText(this.#pending, endpoint.lastSeenAt ? "" : "never seen");
  }

  #renderOperations(store) {
    const all = [...store.operations.values()];
    const queue = all.filter((operation) => !hasEnded(operation)).sort(inSendingOrder);
    const history = all.filter(hasEnded).reverse().sort(newestFirst);
    const make = () => operationRow(this.#actions, store);
    syncList(byId("queue"), queue, (operation) => operation.id, make);
    syncList(byId("history"), history, (operation) => operation.id, make);
    const pending = store.endpoints.get(store.selected).pendingOperations;
    setText(byId("queue-total"), queue.length < pending ? `newest ${queue.length} of ${pending}` : String(queue.length || ""));
    byId("queue-empty").hidden = queue.length > 0;
    byId("history-empty").hidden = history.length > 0;
    byId("history-more").hidden = !store.olderPage.hasNextPage;
  }

  #renderResources(store) {
    const resources = [...store.resources.values()].sort((a, b) => comparePaths(a.path, b.path));
    syncList(byId("resources"), resources, (resource) => resource.path, resourceRow);
    byId("resources-table").hidden = resources.length === 0;
    byId("resources-empty").hidden = resources.length > 0;
    setText(byId("resources-total"), String(resources.length || ""));
  }

  #renderRegistration(registration) {
    const facts = registration ? registrationFacts(registration) : [["State", "Not registered"]];
    syncList(byId("registration"), facts, ([term]) => term, factRow);
  }
}

/** Higher priority first, then older first: the order in which Reveille sends. */
function inSendingOrder(a, b) {
  const sending = Number(b.status === "SENDING") - Number(a.status === "SENDING");
  return sending || b.priority - a.priority || a.createdAt.localeCompare(b.createdAt);
}

function newestFirst(a, b) {
  return b.createdAt.localeCompare(a.createdAt);
}

function comparePaths(a, b) {
  const [left, right] = [a, b].map((path) => path.split("/").map(Number));
  const at = left.findIndex((id, index) => id !== right[index]);
  return at < 0 ? left.length - right.length : left[at] - (right[at] ?? -1);
}

function resourceRow() {
  const [path, value, type, at] = [el("code"), el("bdi"), el("td", { class: "muted type" }), el("time")];
  const node = el("tr", {}, el("th", { scope: "row" }, path), el("td", { class: "value" }, value), type, el("td", { class: "num at" }, at));
  return {
    node,
    update(resource) {
      setText(path, resource.path);
      setText(value, valueText(resource.value));
      setText(type, resource.type);
      setText(at, clockTime(resource.at));
      setAttribute(at, "datetime", resource.at);
      setAttribute(at, "title", fullTime(resource.at));
      setAttribute(node, "class", resource.fresh ? "fresh" : null);
    },
  };
}

function registrationFacts(registration) {
  const facts = [
    ["Registration id", registration.registrationId],
    ["Registered", fullTime(registration.registeredAt)],
    ["Last update", fullTime(registration.lastUpdateAt)],
    ["Lifetime", registration.lifetimeSeconds === null ? null : duration(registration.lifetimeSeconds * 1000)],
    ["LwM2M version", registration.lwm2mVersion],
    ["Binding", registration.bindingMode],
    ["Queue mode", registration.queueMode === null ? null : registration.queueMode ? "yes" : "no"],
    ["Address", registration.address],
    ["Objects", objectsText(registration.objectLinks)],
  ];
  return facts.map(([term, text]) => [term, text ?? "not told"]);
}

function objectsText(links) {
  if (!Array.isArray(links)) return links === null ? null : valueText(links);
  return links.map((link) => (typeof link === "string" ? link : link.url ?? valueText(link))).join("  ");
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
