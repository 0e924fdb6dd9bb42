import { expect, test } from "vitest";

import type { ValueChangesSubscription } from "../../api/generated";
import { addReadings, columnsOf, gapsOf, type Series } from "./series";

const time = (second: number) => new Date(second * 1_000).toISOString();

/** A series with one reading, equal to its time, at the begin of each bucket. */
function seriesOf(bucketSeconds: number, ...begins: number[]): Series {
  const buckets = begins.map((begin) => ({ from: time(begin), count: 1, min: begin, max: begin, mean: begin, lastAt: time(begin) }));
  return { path: "/3303/0/5700", name: "Sensor Value", units: "Cel", bucketSeconds, buckets };
}

const change = (at: number, number: number | null, path = "/3303/0/5700") =>
  ({ resourceChanges: { cursor: "", resource: { path, number, at: time(at) } } }) as ValueChangesSubscription;

test("a time of several usual intervals without readings is a gap", () => {
  expect(gapsOf(seriesOf(10, 0, 10, 20, 80, 90))).toEqual([30]);
  expect(columnsOf([seriesOf(10, 0, 10, 20, 80, 90)])).toMatchObject({
    xs: [0, 10, 20, 30, 80, 90],
    series: [{ mean: [0, 10, 20, null, 80, 90] }],
  });
});

test("a device that reports less often than there are intervals has no gaps", () => {
  expect(gapsOf(seriesOf(10, 0, 60, 120, 190, 240))).toEqual([]);
});

test("a device that reported less often before has no gap there", () => {
  const often = Array.from({ length: 30 }, (_, index) => 300 + 10 * index);
  expect(gapsOf(seriesOf(10, 0, 60, 120, 180, 240, ...often))).toEqual([]);
});

test("an interval with many readings before an empty one begins a gap", () => {
  const series = seriesOf(10, 0, 10, 20, 40, 50);
  for (const bucket of series.buckets) Object.assign(bucket, { count: 10, lastAt: time(Date.parse(bucket.from) / 1_000 + 9) });
  expect(gapsOf(series)).toEqual([30]);
});

test("points of another series are no gap", () => {
  const { xs, series } = columnsOf([seriesOf(10, 0, 20), seriesOf(10, 10, 20)]);
  expect([xs, series[0]?.mean, series[1]?.mean]).toEqual([[0, 10, 20], [0, undefined, 20], [undefined, 10, 20]]);
});

test("readings that arrive later are added to their interval, or begin one", () => {
  const data = { transitionCursor: null, readingSeries: [seriesOf(10, 0, 10)] };
  const { readingSeries } = addReadings(data, [change(14, 20), change(31, 7), change(31, 7, "/3/0/9"), change(32, null)]);
  expect(readingSeries![0]!.buckets).toEqual([
    data.readingSeries[0]!.buckets[0],
    { from: time(10), count: 2, min: 10, max: 20, mean: 15, lastAt: time(14) },
    { from: time(30), count: 1, min: 7, max: 7, mean: 7, lastAt: time(31) },
  ]);
});

test("a reading that the series already has is not added again", () => {
  const data = { transitionCursor: null, readingSeries: [seriesOf(10, 0, 10)] };
  expect(addReadings(data, [change(10, 10)]).readingSeries).toEqual(data.readingSeries);
});

test("the oldest intervals are dropped where readings arrive for days", () => {
  const data = { transitionCursor: null, readingSeries: [seriesOf(10, 0)] };
  const arrived = Array.from({ length: 2_000 }, (_, index) => change(10 * (index + 1), 1));
  const { buckets } = addReadings(data, arrived).readingSeries![0]!;
  expect([buckets.length, buckets.at(-1)?.from]).toEqual([1_000, time(20_000)]);
});
