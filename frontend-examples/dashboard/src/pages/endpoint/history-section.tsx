/** The history of the chosen resources: a plot of all that are numbers, a list for each other one. */

import type { ReactNode } from "react";

import type { ResourceValueFragment } from "../../api/generated";
import { Foreign } from "../../components/text";
import { History } from "./history";
import { MAX_SERIES } from "./plot";
import { Readings } from "./readings";

interface Props {
  endpoint: string;
  values: ReadonlyMap<string, ResourceValueFragment>;
  shown: readonly string[];
  onShow: (path: string) => void;
}

export function HistorySection({ endpoint, values, shown, onShow }: Props): ReactNode {
  const isNumber = (path: string) => values.get(path)?.number != null;
  const numbers = shown.filter(isNumber);
  const plotted = numbers.slice(0, MAX_SERIES);
  const others = [...values.values()].filter(({ path }) => !shown.includes(path));
  return (
    <section className="card history" aria-labelledby="history">
      <h2 id="history">History</h2>
      <div className="filters chosen">
        {shown.map((path) => (
          <button
            key={path}
            type="button"
            className="small"
            aria-label={`Remove ${nameOf(values, path)} from the history`}
            onClick={() => onShow(path)}
          >
            <Foreign text={nameOf(values, path)} /> <span aria-hidden="true">×</span>
          </button>
        ))}
        {others.length > 0 && (
          <select aria-label="Add a resource to the history" value="" onChange={(event) => onShow(event.target.value)}>
            <option value="">Add a resource…</option>
            {others.map(({ path }) => (
              <option key={path} value={path}>
                {nameOf(values, path)}
              </option>
            ))}
          </select>
        )}
      </div>
      {values.size === 0 && <p className="muted">No values yet: read or observe a resource.</p>}
      {numbers.length > MAX_SERIES && <p className="muted">The plot shows the first {MAX_SERIES}.</p>}
      {plotted.length > 0 && <History endpoint={endpoint} paths={plotted} />}
      {shown
        .filter((path) => !isNumber(path))
        .map((path) => (
          <Readings key={path} endpoint={endpoint} path={path} name={nameOf(values, path)} newest={values.get(path)?.at} />
        ))}
    </section>
  );
}

const nameOf = (values: Props["values"], path: string): string => [values.get(path)?.name, path].filter(Boolean).join(" ");
