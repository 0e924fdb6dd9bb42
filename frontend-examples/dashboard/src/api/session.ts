/** The access token of this tab, and what is known of the connection to the server. */

import { createStore } from "./store";

const KEY = "reveille-token";

/** Whether the server asked for a token, or for another one than the tab has. */
export const refused = createStore(false);

export type Connection = "connecting" | "live" | "lost";

/** State of the WebSocket on which all subscriptions run. */
export const connection = createStore<Connection>("connecting");

export function token(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Changes when the tab has another token: the viewer may be another one. */
export const tokenChanges = createStore(0);

/** Keep the token for this tab, or forget it if it is empty. */
export function setToken(text: string): void {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
  tokenChanges.set(tokenChanges.get() + 1);
}

export function authorization(): Record<string, string> {
  const text = token();
  return text ? { Authorization: `Bearer ${text}` } : {};
}

let changing = false;
let refusedMeanwhile: string | null | undefined;

/** The server refused a token. One that was replaced meanwhile is of no interest. */
export function refuse(used: string | null): void {
  if (changing) refusedMeanwhile = used;
  else if (used === token()) refused.set(true);
}

/** Run work that replaces the token: the server may refuse the earlier one before the later one has arrived. */
export async function replaceToken<Result>(work: () => Promise<Result>): Promise<Result> {
  changing = true;
  try {
    return await work();
  } finally {
    changing = false;
    if (refusedMeanwhile !== undefined) refuse(refusedMeanwhile);
    refusedMeanwhile = undefined;
  }
}
