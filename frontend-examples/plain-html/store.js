/**
 * What this page knows. Answers of queries and messages of subscriptions come in any order and overlap; the rules by
 * which they are merged are here and nowhere else:
 *
 * - of two copies of an operation the one with the higher `version` is kept;
 * - of an endpoint the live word wins over an answer whose question was asked before it: whatever the answer knew that
 *   the live word did not, another live word will tell;
 * - a transition is counted once: the log is read after one cursor, and never twice.
 */

const FEED_LENGTH = 200;

export class Store {
  endpoints = new Map();
  endpointOrder = [];
  endpointPage = { hasNextPage: false, endCursor: null, totalCount: 0, totalCountCapped: false };
  endpointFilter = "";
  loaded = false;
  counts = new Map();
  feed = [];
  selected = null;
  device = null;
  missing = false;
  operations = new Map();
  steps = new Map();
  resources = new Map();
  olderPage = { hasNextPage: false, endCursor: null };
  problem = null;
  link = { name: "connecting" };

  #tick = 0;
  #heard = new Map();
  #onChange;

  /** @param {() => void} onChange called after every change; many changes may come before the next paint */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  changed() {
    this.#onChange();
  }

  /** A mark to take before a query is sent; handed back with its answer. */
  mark() {
    return ++this.#tick;
  }

  setCounts(counts) {
    this.counts = new Map(counts.map(({ status, count }) => [status, count]));
    this.changed();
  }

  setEndpoints(connection, mark, { append = false } = {}) {
    const names = connection.edges.map(({ node }) => node.name);
    for (const { node } of connection.edges) this.answeredEndpoint(node, mark);
    this.endpointOrder = append ? [...new Set([...this.endpointOrder, ...names])] : names;
    const { totalCount, totalCountCapped, pageInfo } = connection;
    this.endpointPage = { ...pageInfo, totalCount, totalCountCapped };
    this.loaded = true;
    this.changed();
  }

  /** @returns {boolean} false when the endpoint was never seen before: the list is to be read anew */
  heardEndpoint(row) {
    const known = this.endpoints.has(row.name);
    this.#heard.set(row.name, ++this.#tick);
    this.#keepEndpoint(row);
    return known;
  }

  /** An endpoint from the answer of a query that was asked at `mark`. */
  answeredEndpoint(row, mark) {
    if ((this.#heard.get(row.name) ?? 0) < mark) this.#keepEndpoint(row);
  }

  #keepEndpoint({ id, name, presence, awakeUntil, lastSeenAt, pendingOperations }) {
    this.endpoints.set(name, { id, name, presence, awakeUntil, lastSeenAt, pendingOperations });
    this.changed();
  }

  select(name) {
    this.selected = name;
    this.device = null;
    this.missing = false;
    this.operations = new Map();
    this.steps = new Map();
    this.resources = new Map();
    this.olderPage = { hasNextPage: false, endCursor: null };
    this.changed();
  }

  setDevice(endpoint, mark) {
    this.answeredEndpoint(endpoint, mark);
    this.device = { registration: endpoint.registration };
    // oldest first, as they will come from now on: operations of one moment keep the order in which they were made
    const edges = [...endpoint.waiting.edges.toReversed(), ...endpoint.recent.edges.toReversed()];
    for (const { node } of edges) this.keepOperation(node);
    this.olderPage = endpoint.recent.pageInfo;
    this.resources = new Map(endpoint.resources.map((resource) => [resource.path, resource]));
    this.changed();
  }

  setMissing() {
    this.missing = true;
    this.changed();
  }

  keepOperation(operation) {
    const known = this.operations.get(operation.id);
    if (known && known.version > operation.version) return;
    this.operations.set(operation.id, operation);
    this.changed();
  }

  setSteps(operationId, transitions) {
    for (const transition of transitions) this.#keepStep(operationId, transition);
    this.changed();
  }

  #keepStep(operationId, transition) {
    if (!this.steps.has(operationId)) this.steps.set(operationId, new Map());
    this.steps.get(operationId).set(transition.number, transition);
  }

  heardTransition(transition) {
    const { operation } = transition;
    const { endpoint } = operation;
    this.#count(transition.fromStatus, -1);
    this.#count(transition.toStatus, +1);
    this.#feed({ ...transition, type: "transition", endpoint: endpoint.name });
    if (endpoint.name === this.selected) {
      this.keepOperation(operation);
      if (this.steps.has(operation.id)) this.#keepStep(operation.id, transition);
    }
    return this.heardEndpoint(endpoint);
  }

  heardPresence(change) {
    this.#feed({ ...change, type: "presence", endpoint: change.endpoint.name });
    return this.heardEndpoint(change.endpoint);
  }

  heardResource(resource) {
    const known = this.resources.get(resource.path);
    // changes come in order of arrival: a buffered sample that comes late is older than what is shown
    if (known && Date.parse(resource.at) < Date.parse(known.at)) return;
    this.resources.set(resource.path, { ...resource, fresh: true });
    this.changed();
  }

  note(text) {
    this.#feed({ type: "note", text, at: new Date().toISOString(), cursor: `note-${++this.#tick}` });
    this.changed();
  }

  setProblem(text) {
    this.problem = text;
    this.changed();
  }

  setLink(link) {
    this.link = link;
    this.changed();
  }

  #feed(item) {
    this.feed = [{ ...item, key: `${item.type}-${item.cursor}` }, ...this.feed].slice(0, FEED_LENGTH);
  }

  #count(status, by) {
    if (status) this.counts.set(status, Math.max(0, (this.counts.get(status) ?? 0) + by));
  }
}
