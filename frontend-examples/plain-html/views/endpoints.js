/** The list of endpoints: presence, the awake window, when last seen, how much waits. */

import { badge, byId, clock, el, setAttribute, setText, syncList } from "../dom.js";
import { ago, awakeFor, fullTime, presenceTone, visible } from "../words.js";

const FILTER_PAUSE_MS = 250;

export const deviceHash = (name) => `#/endpoint/${encodeURIComponent(name)}`;

export class EndpointsView {
  #live;
  #list = byId("endpoints");
  #timer = 0;

  constructor(live) {
    this.#live = live;
    byId("endpoint-filter").addEventListener("input", (event) => this.#typed(event.target.value));
    byId("endpoints-more").addEventListener("click", () => live.moreEndpoints());
  }

  render(store) {
    const rows = store.endpointOrder.map((name) => store.endpoints.get(name));
    syncList(this.#list, rows, (row) => row.name, () => this.#row());
    for (const link of this.#list.querySelectorAll("a")) {
      setAttribute(link, "aria-current", link.dataset.name === store.selected ? "true" : null);
    }
    const { totalCount, totalCountCapped, hasNextPage } = store.endpointPage;
    setText(byId("endpoints-total"), store.loaded ? `${totalCount}${totalCountCapped ? "+" : ""}` : "");
    byId("endpoints-more").hidden = !hasNextPage;
    this.#renderEmpty(store, rows.length);
  }

  #renderEmpty(store, shown) {
    const empty = byId("endpoints-empty");
    empty.hidden = !store.loaded || shown > 0;
    const text = store.endpointFilter.trim()
      ? "No endpoint has this in its name."
      : "No endpoint is known yet. One appears when a device registers.";
    setText(empty, text);
  }

  #typed(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#live.filter(text), FILTER_PAUSE_MS);
  }

  #row() {
    const name = el("bdi", { class: "name" });
    const presence = badge();
    const pending = el("span", { class: "pending num" });
    const awake = clock(awakeFor);
    const seen = clock((iso) => `seen ${ago(iso)}`);
    const times = el("span", { class: "times muted num" }, awake.node, seen.node);
    const lines = [[name, pending], [presence.node, times]].map((parts) => el("span", { class: "line" }, ...parts));
    const link = el("a", { class: "endpoint" }, ...lines);
    return {
      node: el("li", {}, link),
      update(row) {
        link.dataset.name = row.name;
        setAttribute(link, "href", deviceHash(row.name));
        setAttribute(link, "title", visible(row.name));
        setText(name, row.name);
        presence.update(row.presence, presenceTone(row.presence));
        setText(pending, row.pendingOperations ? `${row.pendingOperations} waiting` : "");
        awake.update(row.presence === "OFFLINE" ? null : row.awakeUntil);
        seen.update(row.lastSeenAt, row.lastSeenAt && fullTime(row.lastSeenAt));
      },
    };
  }
}
