import { expect, test } from "vitest";

import { campaignInput, newCampaign, newWave } from "./campaign-draft";

test("a new campaign has one wave of all targets, and no limit", () => {
  const input = campaignInput({ ...newCampaign("p"), name: "spring" }, []);
  expect(input).toMatchObject({
    name: "spring",
    firmware: { packageId: "p", method: "PULL" },
    waves: [{ percent: 100, minSuccessPercent: 0, approve: false }],
    startsPerMinute: null,
    maxRunning: null,
    abort: null,
    window: null,
    startAt: null,
  });
  expect(input.operations).toBeUndefined();
});

test("limits, waves and a window are sent as they are written", () => {
  const input = campaignInput(
    {
      ...newCampaign(undefined),
      work: "operations",
      waves: [{ ...newWave("10"), minSuccessPercent: "95", approve: true }, newWave("90")],
      startsPerMinute: "60",
      failurePercent: "10",
      minEnded: "20",
      windowFrom: "22:00",
      windowTo: "05:00",
      timeZone: "Europe/Berlin",
    },
    [{ kind: "READ", path: "/3/0/0" }],
  );
  expect(input).toMatchObject({
    operations: [{ kind: "READ", path: "/3/0/0" }],
    waves: [
      { percent: 10, minSuccessPercent: 95, approve: true },
      { percent: 90, minSuccessPercent: 0, approve: false },
    ],
    startsPerMinute: 60,
    abort: { failurePercent: 10, minEnded: 20 },
    window: { from: "22:00", to: "05:00", timeZone: "Europe/Berlin" },
  });
  expect(input.firmware).toBeUndefined();
});
