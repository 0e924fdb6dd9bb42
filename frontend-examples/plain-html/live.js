/**
 * Keeps the store true: read the list together with the cursor of the log, subscribe after that cursor, remember the
 * last cursor of every subscription, resume after it. What cannot be resumed (LAGGED, CURSOR_EXPIRED) is read anew.
 */

import { execute } from "./graphql.js";
import { pauseBefore } from "./socket.js";
import * as documents from "./documents.js";

const ENDPOINTS_PER_PAGE = 50;
const MOST_ENDPOINTS = 200;
const MOST_WAITING = 200;
const RECENT = 25;
const QUIET_REFRESH_MS = 30_000;
const WAITING_REFRESH_MS = 1_000;
const LIST_REFRESH_MS = 2_000;
const LOST_THE_THREAD = new Set(["LAGGED", "CURSOR_EXPIRED"]);

export class Live {
  #store;
  #socket;
  #onUnauthenticated;
  #following = new Map();
  #run = 0;
  #failures = 0;
  #timers = {};

  constructor({ store, socket, onUnauthenticated }) {
    this.#store = store;
    this.#socket = socket;
    this.#onUnauthenticated = onUnauthenticated;
    // lastSeenAt and awakeUntil move without a transition and without a change of presence
    setInterval(() => document.hidden || !this.#following.has("transitions") || this.refresh(), QUIET_REFRESH_MS);
  }

  /** Read everything and follow the log from there. Also the answer to a lost thread. */
  async resync() {
    const run = ++this.#run;
    clearTimeout(this.#timers.resync);
    this.#unfollowAll();
    const mark = this.#store.mark();
    await this.#guarded(async () => {
      const data = await execute(documents.OVERVIEW, this.#listVariables());
      if (run !== this.#run) return;
      this.#failures = 0;
      this.#store.setProblem(null);
      this.#store.setCounts(data.operationCounts);
      this.#store.setEndpoints(data.endpoints, mark);
      this.#followLog(data.transitionCursor);
      if (this.#store.selected !== null) await this.#loadDevice();
    });
  }

  async select(name) {
    this.#unfollow("resources");
    this.#store.select(name);
    if (name !== null) await this.#guarded(() => this.#loadDevice());
  }

  async filter(text) {
    this.#store.endpointFilter = text;
    await this.#guarded(() => this.#newList());
  }

  async moreEndpoints() {
    const mark = this.#store.mark();
    await this.#guarded(async () => {
      const variables = { ...this.#listVariables(ENDPOINTS_PER_PAGE), after: this.#store.endpointPage.endCursor };
      const data = await execute(documents.ENDPOINTS, variables);
      if (variables.after !== this.#store.endpointPage.endCursor) return;
      this.#store.setEndpoints(data.endpoints, mark, { append: true });
    });
  }

  async olderOperations() {
    const name = this.#store.selected;
    await this.#guarded(async () => {
      const after = this.#store.olderPage.endCursor;
      const data = await execute(documents.OLDER, { name, first: RECENT, after });
      if (name !== this.#store.selected) return;
      for (const { node } of data.endpoint.operations.edges) this.#store.keepOperation(node);
      this.#store.olderPage = data.endpoint.operations.pageInfo;
      this.#store.changed();
    });
  }

  async steps(id) {
    this.#store.setSteps(id, []);
    await this.#guarded(async () => {
      const data = await execute(documents.STEPS, { id, first: 200 });
      this.#store.setSteps(id, data.deviceOperation.transitions.edges.map(({ node }) => node));
    });
  }

  /** Read what no subscription tells: what operations wait for, and when endpoints were last seen. */
  async refresh() {
    await this.#guarded(async () => {
      await this.#loadList();
      if (this.#store.selected === null) return;
      await (this.#store.device ? this.#loadWaiting() : this.#loadDevice());
    });
  }

  #listVariables(first) {
    const text = this.#store.endpointFilter.trim();
    const shown = Math.max(ENDPOINTS_PER_PAGE, this.#store.endpointOrder.length);
    return { filter: text ? { nameContains: text } : null, first: first ?? Math.min(shown, MOST_ENDPOINTS) };
  }

  // Another filter begins at its first page: how many rows the list before it showed says nothing about it.
  async #newList() {
    const mark = this.#store.mark();
    const text = this.#store.endpointFilter;
    const data = await execute(documents.ENDPOINTS, this.#listVariables(ENDPOINTS_PER_PAGE));
    if (text === this.#store.endpointFilter) this.#store.setEndpoints(data.endpoints, mark);
  }

  async #loadList() {
    const mark = this.#store.mark();
    const text = this.#store.endpointFilter;
    const shown = this.#store.endpointOrder.length;
    const data = await execute(documents.ENDPOINTS, this.#listVariables());
    const overtaken = text !== this.#store.endpointFilter || shown < this.#store.endpointOrder.length;
    if (!overtaken && shown <= MOST_ENDPOINTS) this.#store.setEndpoints(data.endpoints, mark);
  }

  async #loadDevice() {
    const name = this.#store.selected;
    const mark = this.#store.mark();
    const data = await execute(documents.DEVICE, { name, waiting: MOST_WAITING, recent: RECENT });
    if (name !== this.#store.selected) return;
    if (!data.endpoint) return this.#store.setMissing();
    this.#store.setDevice(data.endpoint, mark);
    this.#follow("resources", documents.RESOURCES, data.transitionCursor, {
      variables: { endpoint: name },
      next: ({ resourceChanges }) => {
        this.#store.heardResource(resourceChanges.resource);
        return resourceChanges.cursor;
      },
    });
  }

  async #loadWaiting() {
    const name = this.#store.selected;
    if (name === null) return;
    const mark = this.#store.mark();
    const { endpoint } = await execute(documents.WAITING, { name, first: MOST_WAITING });
    if (name !== this.#store.selected || !endpoint) return;
    this.#store.answeredEndpoint(endpoint, mark);
    for (const { node } of endpoint.operations.edges) this.#store.keepOperation(node);
  }

  #followLog(cursor) {
    this.#follow("transitions", documents.TRANSITIONS, cursor, {
      next: ({ operationTransitions: transition }) => {
        this.#heard(this.#store.heardTransition(transition), transition.operation.endpoint.name);
        return transition.cursor;
      },
    });
    this.#follow("presence", documents.PRESENCE, cursor, {
      next: ({ endpointPresence: change }) => {
        this.#heard(this.#store.heardPresence(change), change.endpoint.name);
        return change.cursor;
      },
    });
  }

  #heard(known, name) {
    if (!known) this.#later("list", LIST_REFRESH_MS, () => this.#loadList());
    if (name === this.#store.selected) this.#later("waiting", WAITING_REFRESH_MS, () => this.#loadWaiting());
  }

  // At most one such read per pause, however many words come in meanwhile.
  #later(what, pause, read) {
    this.#timers[what] ??= setTimeout(() => {
      this.#timers[what] = null;
      this.#guarded(read);
    }, pause);
  }

  #follow(name, query, cursor, { variables = {}, next }) {
    this.#unfollow(name);
    let after = cursor;
    const stop = this.#socket.subscribe(() => ({ query, variables: { ...variables, after } }), {
      next: (data) => {
        after = next(data);
      },
      error: (errors) => this.#subscriptionFailed(errors[0] ?? {}),
    });
    this.#following.set(name, stop);
  }

  #subscriptionFailed({ message, extensions }) {
    const code = extensions?.code;
    this.#unfollowAll(); // the others would only say the same
    if (code === "UNAUTHENTICATED") return this.#onUnauthenticated();
    if (LOST_THE_THREAD.has(code)) {
      this.#store.note("This page fell behind; everything was read anew.");
    } else {
      this.#store.setProblem(message ?? "A subscription ended.");
    }
    this.#resyncLater();
  }

  #unfollow(name) {
    this.#following.get(name)?.();
    this.#following.delete(name);
  }

  #unfollowAll() {
    for (const name of [...this.#following.keys()]) this.#unfollow(name);
  }

  #resyncLater() {
    clearTimeout(this.#timers.resync);
    this.#timers.resync = setTimeout(() => this.resync(), pauseBefore(this.#failures++));
  }

  async #guarded(work) {
    try {
      await work();
      if (this.#store.problem && this.#following.has("transitions")) this.#store.setProblem(null);
    } catch (failure) {
      if (failure.code === "UNAUTHENTICATED") return this.#onUnauthenticated();
      if (!failure.code) throw failure;
      this.#store.setProblem(failure.message);
      if (!this.#following.has("transitions")) this.#resyncLater();
    }
  }
}
