/** History of resources: numbers as a plot, others as a list. */

import { type ReactNode, useEffect, useMemo, useState } from "react";

import { ReadingSeriesDocument, type ReadingSeriesQuery, ValueChangesDocument } from "../../api/generated";
import { changes, useLive } from "../../api/live";
import { periodically } from "../../api/periodic";
import { Failure, Note } from "../../components/text";
import { useNow } from "../../components/time";
import { ExportButton } from "./export";
import { Plot, type Range } from "./plot";
import { BucketTable } from "./plot-table";
import { PRESETS, RangeControls, SPANS, type View } from "./range-controls";
import { addReadings, type Series } from "./series";

const POINTS = 300;
/** A plot that ends now is read again after this share of its span. */
const AGAIN_SHARE = 0.05;
const SHORTEST_AGAIN_MS = 30_000;

/** Plot numeric resources of an endpoint. The range ends now, until a part of it is chosen. */
export function History({ endpoint, paths }: { endpoint: string; paths: readonly string[] }): ReactNode {
  const [view, setView] = useState<View>({ preset: PRESETS[0]! });
  const now = useLiveEnd(view);
  const asked: Range = view.range ?? { from: now - SPANS[view.preset], to: now };
  const { data, problem, reading } = useSeries(endpoint, paths, asked, view.range === undefined);
  const series = data?.readingSeries ?? [];
  const shown = useShownRange(view, series);
  const isEmpty = series.every(({ buckets }) => buckets.length === 0);
  return (
    <>
      <RangeControls view={view} shown={shown} onChange={setView}>
        <ExportButton endpoint={endpoint} paths={paths} range={shown} />
      </RangeControls>
      <Failure problem={problem} />
      <figure aria-busy={reading} aria-label="Plot">
        {series.length > 0 && (
          <Plot label={plotLabel(series)} series={series} range={shown} onZoom={(range) => setView({ ...view, range })} />
        )}
        {!reading && series.length > 0 && isEmpty && <Note>No readings in this range.</Note>}
        {!isEmpty && <BucketTable series={series} />}
      </figure>
    </>
  );
}

const plotLabel = (series: readonly Series[]): string =>
  `Plot of ${series.map(({ name, path }) => name ?? path).join(", ")}. The table of the latest intervals has its values.`;

function useSeries(endpoint: string, paths: readonly string[], { from, to }: Range, isLive: boolean) {
  const variables = { endpoint, paths: [...paths], from: iso(from), to: iso(to), points: POINTS };
  return useLive(ReadingSeriesDocument, variables, {
    cursor: (data) => data.transitionCursor,
    changes: isLive ? [changes(ValueChangesDocument, { endpoint }, addReadings)] : [],
    paused: paths.length === 0,
  });
}

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** The time at which a plot that ends now was last read, in milliseconds; it advances with a share of the span. */
function useLiveEnd({ preset, range }: View): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (range) return;
    const every = Math.max(SHORTEST_AGAIN_MS, SPANS[preset] * AGAIN_SHARE);
    return periodically(every, () => setCount((old) => old + 1));
  }, [preset, range]);
  // In the same render as a change of the range: each click reads once.
  return useMemo(() => Date.now(), [preset, range, count]);
}

/** The range that is shown: one that ends now moves on with the time and with the newest reading. */
function useShownRange({ preset, range }: View, series: ReadingSeriesQuery["readingSeries"]): Range {
  const now = useNow();
  if (range) return range;
  const newest = (series ?? []).map(({ buckets }) => Date.parse(buckets.at(-1)?.lastAt ?? "")).filter((at) => at > now);
  const to = Math.max(now, ...newest);
  return { from: to - SPANS[preset], to };
}
