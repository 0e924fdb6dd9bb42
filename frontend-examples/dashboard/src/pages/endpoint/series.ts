/** Series of readings as columns of a plot, with gaps, and with readings that arrive later. */

import type { ReadingSeriesQuery, ValueChangesSubscription } from "../../api/generated";

export type Series = NonNullable<ReadingSeriesQuery["readingSeries"]>[number];
type Bucket = Series["buckets"][number];

/** Buckets of a series beyond this number are dropped, oldest first: a page that is hidden for days does not read it again. */
const KEPT_BUCKETS = 1_000;
/** A gap is a time without readings that is longer than this many usual intervals. */
const GAP_INTERVALS = 2.5;
/** Share of the intervals that are not longer than the usual one: a device may change how often it reports. */
const USUAL_SHARE = 0.9;

export interface Columns {
  /** Seconds since the epoch, increasing. */
  xs: number[];
  /**
   * Of each series the values at `xs`: null begins a gap, which is not joined; undefined is a point of another series.
   */
  series: { max: Values; min: Values; mean: Values; buckets: (Bucket | null | undefined)[] }[];
}
export type Values = (number | null | undefined)[];

const seconds = (iso: string): number => Date.parse(iso) / 1_000;

/** Time between two readings in seconds that few exceed; infinite if it is not known. */
function usualInterval(buckets: readonly Bucket[]): number {
  const intervals = buckets.slice(1).map(({ from, count }, index) => (seconds(from) - seconds(buckets[index]!.from)) / count);
  intervals.sort((left, right) => left - right);
  return intervals[Math.floor((intervals.length - 1) * USUAL_SHARE)] ?? Infinity;
}

/** Where gaps begin, in seconds since the epoch: at the first interval that has no readings. */
export function gapsOf({ buckets, bucketSeconds }: Series): number[] {
  const longest = GAP_INTERVALS * usualInterval(buckets);
  return buckets.slice(1).flatMap((next, index) => {
    const before = buckets[index]!;
    const begin = seconds(before.from) + bucketSeconds;
    const silent = seconds(next.from) - seconds(before.lastAt) > longest;
    return silent && begin < seconds(next.from) ? [begin] : [];
  });
}

export function columnsOf(all: readonly Series[]): Columns {
  const byTime = all.map((series) => {
    const points = new Map<number, Bucket | null>(gapsOf(series).map((begin) => [begin, null]));
    for (const bucket of series.buckets) if (bucket.mean !== null) points.set(seconds(bucket.from), bucket);
    return points;
  });
  const xs = [...new Set(byTime.flatMap((one) => [...one.keys()]))].sort((left, right) => left - right);
  return {
    xs,
    series: byTime.map((one) => {
      const buckets = xs.map((x) => one.get(x));
      const values = (name: "max" | "min" | "mean") => buckets.map((bucket) => bucket && bucket[name]);
      return { max: values("max"), min: values("min"), mean: values("mean"), buckets };
    }),
  };
}

/** Add readings that arrived after the series were read. */
export function addReadings(data: ReadingSeriesQuery, events: readonly ValueChangesSubscription[]): ReadingSeriesQuery {
  const arrived = events.map(({ resourceChanges }) => resourceChanges.resource);
  let changed = false;
  const readingSeries = data.readingSeries?.map((series) => {
    const own = arrived.filter(({ path, number }) => path === series.path && number !== null);
    if (!own.length) return series;
    changed = true;
    const buckets = own.reduce((before, { at, number }) => added(before, series.bucketSeconds, at, number!), series.buckets);
    return { ...series, buckets: buckets.slice(-KEPT_BUCKETS) };
  });
  return changed ? { ...data, readingSeries: readingSeries ?? null } : data;
}

function added(buckets: Bucket[], bucketSeconds: number, at: string, number: number): Bucket[] {
  const time = Date.parse(at);
  const width = bucketSeconds * 1_000;
  const base = buckets[0] ? Date.parse(buckets[0].from) : time;
  const begin = base + Math.floor((time - base) / width) * width;
  const index = buckets.findLastIndex(({ from }) => Date.parse(from) <= begin);
  const bucket = buckets[index];
  if (!bucket || Date.parse(bucket.from) < begin) {
    const one = { from: new Date(begin).toISOString(), count: 1, min: number, max: number, mean: number, lastAt: at };
    return buckets.toSpliced(index + 1, 0, one);
  }
  // The cursor is older than the series, so that the newest reading may be in both.
  if (Date.parse(bucket.lastAt) === time) return buckets;
  const { count, min, max, mean, lastAt } = bucket;
  return buckets.with(index, {
    ...bucket,
    count: count + 1,
    min: Math.min(min ?? number, number),
    max: Math.max(max ?? number, number),
    mean: ((mean ?? number) * count + number) / (count + 1),
    lastAt: Date.parse(lastAt) < time ? at : lastAt,
  });
}
