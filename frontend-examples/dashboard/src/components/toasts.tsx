/** Short messages about what was just done, announced to screen readers. */

import type { ReactNode } from "react";

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

export function Toasts(): ReactNode {
  return (
    <div className="toasts" role="status" aria-live="polite">
      {useStore(toasts).map(({ id, text, bad }) => (
        <p key={id} className={bad ? "toast bad" : "toast"}>
          {text}
        </p>
      ))}
    </div>
  );
}
