/**
 * A client of the graphql-transport-ws protocol
 * (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md): many subscriptions over one WebSocket.
 *
 * It keeps the socket open: a lost one is opened again after a growing, random pause, and every subscription is asked
 * for its request anew, so that one which remembers its last cursor resumes right after it.
 */

const PROTOCOL = "graphql-transport-ws";
const ACK_TIMEOUT_MS = 10_000;
const PING_EVERY_MS = 20_000;
const PONG_TIMEOUT_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
const NO_SIGN_OF_LIFE = 4499;

/** A random pause below a limit that doubles with every attempt, so that a thousand pages do not come back at once. */
export function pauseBefore(attempt) {
  const limit = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  return limit / 2 + (Math.random() * limit) / 2;
}

export class GraphQLSocket {
  #url;
  #initPayload;
  #onState;
  #socket = null;
  #ready = false;
  #refused = false;
  #attempt = 0;
  #nextId = 1;
  #subscriptions = new Map();
  #timers = {};

  /**
   * @param {object} options
   * @param {string} options.url ws: or wss: address
   * @param {() => object} options.initPayload payload of connection_init, asked for at every connect
   * @param {(state: {name: "connecting"|"open"|"waiting"|"refused", retryAt?: number}) => void} options.onState
   */
  constructor({ url, initPayload, onState }) {
    this.#url = url;
    this.#initPayload = initPayload;
    this.#onState = onState;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /**
   * @param {() => {query: string, variables?: object}} request asked for at every start, also after a reconnect
   * @param {{next: (data: object) => void, error: (errors: object[]) => void}} handlers
   * @returns {() => void} ends the subscription
   */
  subscribe(request, handlers) {
    const id = String(this.#nextId++);
    this.#subscriptions.set(id, { request, handlers });
    if (this.#ready) this.#start(id);
    else if (!this.#socket && !this.#timers.reconnect && !this.#refused) this.#open();
    return () => this.#stop(id);
  }

  /** Open the socket anew at once: after a new token, say. */
  reconnect() {
    this.#refused = false;
    this.#attempt = 0;
    this.#drop();
    this.#open();
  }

  #open() {
    this.#clearTimers();
    this.#onState({ name: "connecting" });
    const socket = new WebSocket(this.#url, PROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#send({ type: "connection_init", payload: this.#initPayload() });
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code);
    this.#timers.ack = setTimeout(() => this.#lost(NO_SIGN_OF_LIFE), ACK_TIMEOUT_MS);
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#lost(NO_SIGN_OF_LIFE);
    }
    switch (message.type) {
      case "connection_ack":
        return this.#acknowledged();
      case "ping":
        return this.#send({ type: "pong" });
      case "pong":
        return clearTimeout(this.#timers.pong);
      case "next":
        return this.#next(message.id, message.payload);
      case "error":
        return this.#failed(message.id, message.payload);
      case "complete":
        return this.#completed(message.id);
    }
  }

  #acknowledged() {
    clearTimeout(this.#timers.ack);
    this.#ready = true;
    this.#attempt = 0;
    this.#timers.ping = setInterval(() => this.#ping(), PING_EVERY_MS);
    this.#onState({ name: "open" });
    for (const id of this.#subscriptions.keys()) this.#start(id);
  }

  // A connection cut without a word (a laptop that slept, a NAT that forgot) is noticed only by asking.
  #ping() {
    this.#send({ type: "ping" });
    clearTimeout(this.#timers.pong);
    this.#timers.pong = setTimeout(() => this.#lost(NO_SIGN_OF_LIFE), PONG_TIMEOUT_MS);
  }

  #start(id) {
    this.#send({ type: "subscribe", id, payload: this.#subscriptions.get(id).request() });
  }

  #stop(id) {
    if (this.#subscriptions.delete(id) && this.#ready) this.#send({ type: "complete", id });
  }

  #next(id, payload) {
    const subscription = this.#subscriptions.get(id);
    if (!subscription) return;
    if (payload.errors?.length) {
      this.#stop(id);
      subscription.handlers.error(payload.errors);
    } else {
      subscription.handlers.next(payload.data);
    }
  }

  #failed(id, errors) {
    const subscription = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    subscription?.handlers.error(errors);
  }

  // Ours never end by themselves: the server is going down, or was told to end them. They resume after a pause.
  #completed(id) {
    if (!this.#subscriptions.has(id)) return;
    setTimeout(() => this.#ready && this.#subscriptions.has(id) && this.#start(id), pauseBefore(1));
  }

  #lost(code) {
    this.#drop();
    if (code === UNAUTHORIZED || code === FORBIDDEN) {
      this.#refused = true;
      this.#onState({ name: "refused" });
      return;
    }
    const pause = pauseBefore(this.#attempt++);
    this.#onState({ name: "waiting", retryAt: Date.now() + pause });
    this.#timers.reconnect = setTimeout(() => this.#open(), pause);
  }

  #drop() {
    this.#clearTimers();
    this.#ready = false;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #hurry() {
    if (this.#timers.reconnect) this.#open();
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #clearTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }
}
