/** Times on the page: relative or local, with the UTC time on hover. */

import type { ReactNode } from "react";

import { createStore, useStore } from "../api/store";
import { clockTime, durationText, localTime, utcTime } from "../times";
import { Foreign } from "./text";

const TICK_MS = 5_000;

/** The present in milliseconds, renewed every few seconds: times on the page age without a response of the server. */
const now = createStore(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), TICK_MS);
document.addEventListener("visibilitychange", () => document.hidden || now.set(Date.now()));

export const useNow = (): number => useStore(now);

/** How long ago or ahead a time is. */
export function Ago({ at, none = "never" }: { at: string | null | undefined; none?: string }): ReactNode {
  useNow(); // renders again as time passes; between its ticks an event may be newer than the last one
  if (!at) return <span className="muted">{none}</span>;
  const seconds = (Date.now() - Date.parse(at)) / 1_000;
  const text = seconds >= -1 ? `${durationText(seconds)} ago` : `in ${durationText(-seconds)}`;
  return (
    <time dateTime={at} title={`${localTime(at)}\n${utcTime(at)}`}>
      {text}
    </time>
  );
}

/** A point in time in the viewer's time zone. */
export function At({ at, none = "", clock = false }: { at: string | null | undefined; none?: string; clock?: boolean }): ReactNode {
  if (!at) return <span className="muted">{none}</span>;
  return (
    <time dateTime={at} title={utcTime(at)}>
      {clock ? clockTime(at) : localTime(at)}
    </time>
  );
}

/** When something was created, and by whom. */
export function Created({ of: { createdAt, createdBy } }: { of: { createdAt: string; createdBy: string | null } }): ReactNode {
  return (
    <>
      <At at={createdAt} />{" "}
      {createdBy && (
        <>
          by <Foreign text={createdBy} />
        </>
      )}
    </>
  );
}
