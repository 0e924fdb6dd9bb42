import { expect, test } from "vitest";

import type { DispatchStatusFragment } from "../api/generated";
import { bridgeState, dispatcherRuns, pauseScope } from "./dispatch-status";

const AT = "2026-01-01T00:01:00Z";

function status(server: Partial<NonNullable<DispatchStatusFragment["leshanServer"]>> | null): DispatchStatusFragment {
  return { at: AT, pauses: [], leshanServer: server } as unknown as DispatchStatusFragment;
}

test("a dispatcher runs if it reported within the last 10 seconds", () => {
  expect(dispatcherRuns(status(null))).toBe(false);
  expect(dispatcherRuns(status({ dispatcherSeenAt: null }))).toBe(false);
  expect(dispatcherRuns(status({ dispatcherSeenAt: "2026-01-01T00:00:49Z" }))).toBe(false);
  expect(dispatcherRuns(status({ dispatcherSeenAt: "2026-01-01T00:00:51Z" }))).toBe(true);
});

test("a bridge is missing only where the event stream is used", () => {
  const held = "2026-01-01T00:01:10Z";
  expect(bridgeState(status({ usesEventStream: false }))).toBe("unused");
  expect(bridgeState(status({ usesEventStream: true, bridgeHeldUntil: null }))).toBe("missing");
  expect(bridgeState(status({ usesEventStream: true, bridgeHeldUntil: "2026-01-01T00:00:59Z" }))).toBe("missing");
  expect(bridgeState(status({ usesEventStream: true, bridgeHeldUntil: held, streamOpenSince: null }))).toBe("closed");
  expect(bridgeState(status({ usesEventStream: true, bridgeHeldUntil: held, streamOpenSince: AT }))).toBe("open");
});

test("the scope of a pause is its narrowest name", () => {
  expect(pauseScope({ leshanServerName: null, endpointName: null })).toBe("all devices");
  expect(pauseScope({ leshanServerName: "north", endpointName: null })).toBe("the devices of Leshan server north");
  expect(pauseScope({ leshanServerName: "north", endpointName: "meter" })).toBe("endpoint meter");
});
