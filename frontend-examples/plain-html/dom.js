/** Elements without markup: text goes in as text, always, because names and values come from devices. */

import { visible } from "./words.js";

/**
 * @param {string} tag
 * @param {object} attributes `on` holds listeners, `text` the text; null and false leave an attribute out
 * @param {...Node} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "text") node.textContent = value;
    else setAttribute(node, name, value);
  }
  node.append(...children);
  return node;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : String(value));
}

/** Set text only where it differs, so that a selection or a screen reader is not disturbed. */
export function setText(node, text) {
  const shown = visible(text ?? "");
  if (node.textContent !== shown) node.textContent = shown;
}

export const byId = (id) => document.getElementById(id);

const lists = new WeakMap();

function partsOf(container) {
  if (!lists.has(container)) lists.set(container, new Map());
  return lists.get(container);
}

/**
 * Make the children of a container those of `items`, in order. A node is made once per key and then updated, so that
 * focus, an open detail and the scroll position stay.
 * @param {Element} container
 * @param {Array<object>} items
 * @param {(item: object) => string} keyOf
 * @param {(item: object) => {node: Element, update: (item: object) => void}} make
 */
export function syncList(container, items, keyOf, make) {
  const parts = partsOf(container);
  const keys = new Set();
  let place = container.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    keys.add(key);
    if (!parts.has(key)) parts.set(key, make(item));
    const part = parts.get(key);
    part.update(item);
    if (part.node === place) place = place.nextElementSibling;
    else container.insertBefore(part.node, place);
  }
  for (const [key, part] of parts) {
    if (keys.has(key)) continue;
    part.node.remove();
    parts.delete(key);
  }
}

/** A status or presence: a shape, a colour and always the word. */
export function badge() {
  const node = el("span", { class: "badge" });
  return {
    node,
    update(word, tone) {
      setText(node, word);
      setAttribute(node, "data-tone", tone);
      setAttribute(node, "data-word", word);
    },
  };
}

const clocks = new WeakMap();

/**
 * A <time> whose words change as time passes.
 * @param {(iso: string) => string} words
 */
export function clock(words) {
  const node = el("time");
  const part = {
    node,
    iso: null,
    tick: () => setText(node, part.iso ? words(part.iso) : ""),
    update(iso, title) {
      part.iso = iso;
      setAttribute(node, "datetime", iso);
      setAttribute(node, "title", title);
      part.tick();
    },
  };
  clocks.set(node, part);
  return part;
}

setInterval(() => {
  for (const node of document.querySelectorAll("time")) clocks.get(node)?.tick();
}, 1000);
