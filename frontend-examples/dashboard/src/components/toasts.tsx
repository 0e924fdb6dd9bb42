/** Short messages about what was just done, announced to screen readers. */

import { type ReactNode, useId, useLayoutEffect } from "react";

import { createStore, useStore } from "../api/store";

const SHOWN_MS = 6_000;

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const toasts = createStore<readonly Toast[]>([]);
let nextId = 1;

/** Show a message for a few seconds. */
export function toast(text: string, { bad = false } = {}): void {
  const id = nextId++;
  toasts.set([...toasts.get(), { id, text, bad }]);
  setTimeout(() => toasts.set(toasts.get().filter((one) => one.id !== id)), SHOWN_MS);
}

/** The places of messages, the topmost one last. While a modal dialog is open, nothing outside of it is read out. */
const places = createStore<readonly string[]>([]);

/** Where messages appear: one on the page, one in each dialog. The topmost one has them. */
export function Toasts(): ReactNode {
  const id = useId();
  useLayoutEffect(() => {
    places.set([...places.get(), id]);
    return () => places.set(places.get().filter((one) => one !== id));
  }, [id]);
  const isTopmost = useStore(places).at(-1) === id;
  const shown = useStore(toasts);
  return (
    <div className="toasts" aria-live="polite">
      {isTopmost &&
        shown.map(({ id, text, bad }) => (
          <p key={id} className={bad ? "toast bad" : "toast"}>
            {text}
          </p>
        ))}
    </div>
  );
}
