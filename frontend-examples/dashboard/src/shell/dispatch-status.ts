/** Whether operations reach the devices, by the status of dispatching: for the banner and the overview. */

import type { DispatchStatusFragment } from "../api/generated";
import { createStore } from "../api/store";

/** A dispatcher reports itself every half second; the API takes it to be gone after this time. */
const DISPATCHER_SECONDS = 10;

/** Changes when the status is to be read again, as after a pause. */
export const dispatchChanges = createStore(0);
export const readDispatchStatusAgain = (): void => dispatchChanges.set(dispatchChanges.get() + 1);

export function dispatcherRuns({ at, leshanServer }: DispatchStatusFragment): boolean {
  const seen = leshanServer?.dispatcherSeenAt;
  return !!seen && Date.parse(at) - Date.parse(seen) <= DISPATCHER_SECONDS * 1_000;
}

/** "unused" where events come by webhook; "closed" while a bridge runs without an open event stream. */
export type Bridge = "unused" | "missing" | "closed" | "open";

export function bridgeState({ at, leshanServer }: DispatchStatusFragment): Bridge {
  if (!leshanServer?.usesEventStream) return "unused";
  const { bridgeHeldUntil, streamOpenSince } = leshanServer;
  if (!bridgeHeldUntil || Date.parse(bridgeHeldUntil) < Date.parse(at)) return "missing";
  return streamOpenSince ? "open" : "closed";
}

export type Pause = DispatchStatusFragment["pauses"][number];

/** "all devices", "the devices of Leshan server NAME", or "endpoint NAME". */
export function pauseScope({ leshanServerName, endpointName }: Pick<Pause, "leshanServerName" | "endpointName">): string {
  if (endpointName) return `endpoint ${endpointName}`;
  return leshanServerName ? `the devices of Leshan server ${leshanServerName}` : "all devices";
}
