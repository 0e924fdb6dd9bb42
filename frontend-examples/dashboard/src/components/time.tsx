/** Times: relative or local, with the UTC time on hover. */

import type { ReactNode } from "react";

import { createStore, useStore } from "../api/store";

const TICK_MS = 5_000;

/** The present in milliseconds, renewed every few seconds: times on the page age without a response of the server. */
const now = createStore(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), TICK_MS);
document.addEventListener("visibilitychange", () => document.hidden || now.set(Date.now()));

export const useNow = (): number => useStore(now);

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });

export const localTime = (iso: string): string => LOCAL.format(new Date(iso));
export const clockTime = (iso: string): string => CLOCK.format(new Date(iso));
export const utcTime = (iso: string): string => new Date(iso).toISOString().replace("T", " ").replace("Z", " UTC");

/** "4 s", "12 min", "3 h", "5 d". */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7_200) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}

/** How long ago or ahead a time is. */
export function Ago({ at, none = "never" }: { at: string | null | undefined; none?: string }): ReactNode {
  const present = useNow();
  if (!at) return <span className="muted">{none}</span>;
  const seconds = (present - Date.parse(at)) / 1_000;
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
