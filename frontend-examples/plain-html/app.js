/** The page's wiring: the store changes, the views paint; people act, mutations go out, and the answers are merged. */

import { address, execute, randomKey, token } from "./graphql.js";
import { GraphQLSocket } from "./socket.js";
import { CANCEL, CREATE, RETRY } from "./documents.js";
import { byId, el, setAttribute, setText, syncList } from "./dom.js";
import { Live } from "./live.js";
import { Store } from "./store.js";
import { operationTitle, statusTone } from "./words.js";
import { CreateView } from "./views/create.js";
import { DeviceView } from "./views/device.js";
import { EndpointsView } from "./views/endpoints.js";
import { FeedView } from "./views/feed.js";

const LINK_WORDS = { connecting: "Connecting", open: "Live", waiting: "Reconnecting", refused: "Token needed" };

const store = new Store(schedulePaint);
const socket = new GraphQLSocket({
  url: address(location.protocol === "https:" ? "wss:" : "ws:"),
  initPayload: () => token.headers(),
  onState: (state) => (state.name === "refused" ? (store.setLink(state), askForToken()) : store.setLink(state)),
});
const live = new Live({ store, socket, onUnauthenticated: askForToken });
const views = [
  new EndpointsView(live),
  new DeviceView({ cancel, retry, steps: (id) => live.steps(id), older: () => live.olderOperations() }),
  new CreateView(create, store),
  new FeedView(schedulePaint),
];

let painting = false;

// Many messages come between two frames; what is seen is painted once.
function schedulePaint() {
  if (painting) return;
  painting = true;
  requestAnimationFrame(() => {
    painting = false;
    paint();
  });
}

function paint() {
  for (const view of views) view.render(store);
  syncList(byId("counts"), [...store.counts], ([status]) => status, countRow);
  setText(byId("link-text"), LINK_WORDS[store.link.name]);
  setAttribute(byId("link"), "data-state", store.link.name);
  byId("banner").hidden = !store.problem;
  setText(byId("banner"), store.problem ?? "");
}

function countRow() {
  const [word, number] = [el("dt"), el("dd", { class: "num" })];
  const node = el("div", {}, word, number);
  return {
    node,
    update([status, count]) {
      setText(word, status);
      setText(number, String(count));
      setAttribute(node, "data-tone", statusTone(status));
      setAttribute(node, "data-none", count === 0);
    },
  };
}

async function create(input) {
  const { createDeviceOperation: payload } = await authenticated(() => execute(CREATE, { input }));
  kept(payload.operation, payload.created ? "Created" : "Made before");
}

async function cancel(operation) {
  const { cancelDeviceOperation } = await authenticated(() => execute(CANCEL, { id: operation.id }));
  kept(cancelDeviceOperation, "Canceled");
}

const retryKeys = new Map();

// After an uncertain answer the next press goes with the same key: the retry is then not made twice.
async function retry(operation) {
  const idempotencyKey = retryKeys.get(operation.id) ?? randomKey();
  retryKeys.set(operation.id, idempotencyKey);
  try {
    const { retryDeviceOperation } = await authenticated(() => execute(RETRY, { id: operation.id, idempotencyKey }));
    retryKeys.delete(operation.id);
    kept(retryDeviceOperation.operation, "Created");
  } catch (failure) {
    if (!failure.uncertain) retryKeys.delete(operation.id);
    throw failure;
  }
}

function kept(operation, verb) {
  store.keepOperation(operation);
  setText(byId("announce"), `${verb}: ${operationTitle(operation)}, ${operation.status}`);
}

async function authenticated(run) {
  try {
    return await run();
  } catch (failure) {
    if (failure.code === "UNAUTHENTICATED") askForToken();
    throw failure;
  }
}

function askForToken() {
  setText(byId("token-note"), token.get() ? "Reveille did not take the present token." : "Reveille asks for an access token. It is kept in this tab only.");
  openToken();
}

function openToken() {
  const dialog = byId("token");
  byId("token-value").value = "";
  if (!dialog.open) dialog.showModal();
}

byId("token-open").addEventListener("click", openToken);
byId("token").addEventListener("close", () => {
  if (byId("token").returnValue !== "use") return;
  token.set(byId("token-value").value.trim());
  socket.reconnect();
  live.resync();
});

function show(part) {
  document.body.dataset.view = part;
  for (const button of document.querySelectorAll("[data-show]")) {
    setAttribute(button, "aria-current", button.dataset.show === part ? "true" : null);
  }
}

for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => show(button.dataset.show));
}

/** The address of a chosen endpoint is `#/endpoint/<name>`, so that it can be kept and passed on. */
function route({ focus }) {
  if (location.hash && !location.hash.startsWith("#/")) return; // a place within the page
  const match = /^#\/endpoint\/(.+)$/.exec(location.hash);
  const name = match ? decoded(match[1]) : null;
  if (name === store.selected) return;
  live.select(name);
  if (name === null) return;
  show("device");
  if (focus) byId("device-title").focus();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", () => route({ focus: true }));
show("endpoints");
route({ focus: false });
live.resync();
