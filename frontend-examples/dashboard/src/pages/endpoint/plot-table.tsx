/** The latest intervals of a plot as a table, for those who do not see the plot. */

import type { ReactNode } from "react";

import { Foreign } from "../../components/text";
import { At } from "../../components/time";
import { bucketText } from "./bucket-text";
import { columnsOf, type Series } from "./series";

const ROWS = 30;

export function BucketTable({ series }: { series: readonly Series[] }): ReactNode {
  return (
    <details className="buckets">
      <summary>Latest values as a table</summary>
      <div role="region" aria-label="Latest values of the plot" tabIndex={0}>
        <Buckets series={series} />
      </div>
    </details>
  );
}

function Buckets({ series }: { series: readonly Series[] }): ReactNode {
  const { xs, series: columns } = columnsOf(series);
  const latest = xs.map((x, index) => ({ x, index })).slice(-ROWS).reverse();
  return (
    <table className="list" aria-label="Latest values of the plot">
      <thead>
        <tr>
          <th scope="col">From</th>
          {series.map(({ path, name }) => (
            <th key={path} scope="col">
              <Foreign text={name ?? path} />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {latest.map(({ x, index }) => (
          <tr key={x}>
            <td>
              <At at={new Date(x * 1_000).toISOString()} />
            </td>
            {series.map(({ path, units }, number) => (
              <td key={path}>{bucketText(columns[number]?.buckets[index], units)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
