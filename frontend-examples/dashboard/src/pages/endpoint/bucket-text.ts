/** The values of an interval as text. */

import { formatNumber } from "../../words";
import type { Series } from "./series";

type Bucket = Series["buckets"][number];

/** Round to four significant digits behind the point, so that means stay short. */
const short = (value: number): string => formatNumber(Number(value.toPrecision(6)));

/** "21.5 Cel", "21.5 Cel (20 to 23, 12 readings)"; "no readings" for a gap, "-" for no point of this series. */
export function bucketText(bucket: Bucket | null | undefined, units: string | null): string {
  if (bucket === null) return "no readings";
  if (bucket === undefined || bucket.mean === null) return "-";
  const { mean, min, max, count } = bucket;
  const value = [short(mean), units].filter(Boolean).join(" ");
  return count === 1 ? value : `${value} (${short(min ?? mean)} to ${short(max ?? mean)}, ${formatNumber(count)} readings)`;
}
