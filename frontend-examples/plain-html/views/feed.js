/** Every transition of every operation, and every change of presence, newest first. */

import { badge, byId, el, setAttribute, setText, syncList } from "../dom.js";
import { clockTime, fullTime, operationTitle, presenceTone, statusTone } from "../words.js";
import { deviceHash } from "./endpoints.js";
import { stepText } from "./operation.js";

export class FeedView {
  #paused = null;

  /** @param {() => void} changed asks for a paint */
  constructor(changed) {
    byId("feed-pause").addEventListener("click", () => {
      this.#paused = this.#paused ? null : true;
      changed();
    });
  }

  render(store) {
    // text that moves by itself can be stopped: the list as it was is shown until then
    if (this.#paused === true) this.#paused = store.feed;
    const shown = this.#paused ?? store.feed;
    const button = byId("feed-pause");
    const missed = this.#paused ? store.feed.findIndex((item) => item.key === shown[0]?.key) : 0;
    setAttribute(button, "aria-pressed", String(this.#paused !== null));
    setText(button, this.#paused ? `Resume${missed > 0 ? ` (${missed} new)` : ""}` : "Pause");
    syncList(byId("feed"), shown, (item) => item.key, feedRow);
    byId("feed-empty").hidden = shown.length > 0;
  }
}

function feedRow(item) {
  const at = el("time", { class: "num muted" });
  setText(at, clockTime(item.at));
  setAttribute(at, "datetime", item.at);
  setAttribute(at, "title", fullTime(item.at));
  if (item.type === "note") return still(el("li", { class: "note" }, at, text("p", "what", item.text)));
  const link = el("a", { class: "name", href: deviceHash(item.endpoint) });
  setText(link, item.endpoint);
  return still(el("li", {}, at, el("bdi", {}, link), ...(item.type === "presence" ? presence(item) : transition(item))));
}

function presence({ presence: word }) {
  const mark = badge();
  mark.update(word, presenceTone(word));
  return [mark.node];
}

function transition(item) {
  const mark = badge();
  mark.update(item.toStatus, statusTone(item.toStatus));
  return [mark.node, text("code", "what", operationTitle(item.operation)), text("p", "why muted", stepText(item))];
}

function text(tag, className, words) {
  const node = el(tag, { class: className });
  setText(node, words);
  return node;
}

// a step that happened never changes
function still(node) {
  return { node, update() {} };
}
