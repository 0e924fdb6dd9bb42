/** A bar for each interval: operations that ended, and of these the CONFIRMED ones. */

import type { ReactNode } from "react";

import type { StatisticsQuery } from "../../api/generated";
import { At } from "../../components/time";
import { durationText, localTime } from "../../times";
import { formatNumber, plural } from "../../words";

type Bucket = NonNullable<StatisticsQuery["operationStatistics"]>["buckets"][number];

const HEIGHT = 100;

export function Bars({ buckets, seconds }: { buckets: readonly Bucket[]; seconds: number }): ReactNode {
  const most = Math.max(1, ...buckets.map(({ ended }) => ended));
  const height = (count: number) => (HEIGHT * count) / most;
  const width = durationText(seconds);
  return (
    <figure className="bars">
      <div className="bars-plot">
        <span className="bars-most num" aria-hidden="true">
          {formatNumber(most)}
        </span>
        <svg
          viewBox={`0 0 ${buckets.length} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`Ended operations in intervals of ${width}: at most ${formatNumber(most)}`}
        >
          {buckets.map(({ from, ended, confirmed }, index) => (
            <g key={index}>
              <title>
                {`${localTime(from)}, ${width}: ${plural(ended, "operation")} ended, ${formatNumber(confirmed)} CONFIRMED`}
              </title>
              <rect className="bar-area" x={index} y={0} width={1} height={HEIGHT} />
              <rect className="bar-other" x={index + 0.1} y={HEIGHT - height(ended)} width={0.8} height={height(ended - confirmed)} />
              <rect className="bar-confirmed" x={index + 0.1} y={HEIGHT - height(confirmed)} width={0.8} height={height(confirmed)} />
            </g>
          ))}
        </svg>
      </div>
      <figcaption>
        <At at={buckets[0]?.from} clock />
        <span>
          <span className="key bar-confirmed" /> CONFIRMED <span className="key bar-other" /> others, per {width}
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
