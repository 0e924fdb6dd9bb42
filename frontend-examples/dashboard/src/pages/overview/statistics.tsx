/** Operations that ended within a chosen time: throughput, the time from the wake to CONFIRMED, and reasons of failures. */

import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useId } from "react";

import { StatisticsDocument, type StatisticsQuery } from "../../api/generated";
import { useLive } from "../../api/live";
import { Failure, Note, Status } from "../../components/text";
import { At } from "../../components/time";
import { WINDOWS } from "../../filters";
import { durationText } from "../../times";
import { formatNumber, plural, reasonText } from "../../words";
import { Bars } from "./bars";

const EVERY_SECONDS = 5;
const NAMES: Record<number, string> = { 600: "10 min", 3_600: "1 h", 86_400: "24 h" };

type Figures = NonNullable<StatisticsQuery["operationStatistics"]>;

const route = getRouteApi("/");

export function Statistics(): ReactNode {
  const { window = WINDOWS[0] } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, problem } = useLive(StatisticsDocument, { windowSeconds: window }, { everySeconds: EVERY_SECONDS });
  const figures = data?.operationStatistics;
  return (
    <section className="card whole" aria-labelledby="statistics">
      <div className="statistics-head">
        <h2 id="statistics">Ended operations</h2>
        <fieldset className="segments">
          <legend className="visually-hidden">Time that is covered</legend>
          {[...WINDOWS]
            .sort((one, other) => one - other)
            .map((seconds) => (
              <label key={seconds}>
                <input
                  type="radio"
                  name="window"
                  checked={seconds === window}
                  onChange={() => void navigate({ search: seconds === WINDOWS[0] ? {} : { window: seconds } })}
                />
                {NAMES[seconds]}
              </label>
            ))}
        </fieldset>
      </div>
      <Failure problem={problem} />
      {figures ? <Shown figures={figures} /> : !problem && <Note>Reading…</Note>}
    </section>
  );
}

function Shown({ figures }: { figures: Figures }): ReactNode {
  const { counts, capped, from, to } = figures;
  const ended = counts.reduce((sum, { count }) => sum + count, 0);
  const seconds = (Date.parse(to) - Date.parse(from)) / 1_000;
  return (
    <>
      {capped && (
        <p className="muted">
          More ended than the server counts: only those since <At at={from} /> are shown.
        </p>
      )}
      <div className="statistics">
        <div>
          <h3>Throughput</h3>
          <p>
            {plural(ended, "operation")}, {rateText(ended, seconds)}
          </p>
          <Bars buckets={figures.buckets} seconds={figures.bucketSeconds} />
          <p className="statistics-counts">
            {counts
              .filter(({ count }) => count > 0)
              .map(({ status, count }) => (
                <span key={status}>
                  {formatNumber(count)} <Status status={status} />
                </span>
              ))}
          </p>
        </div>
        <Percentiles {...figures.wakeToConfirmed} />
        <Reasons reasons={figures.reasons} />
      </div>
    </>
  );
}

/** "12.3 per second", or per minute or hour where that is a number one can read. */
function rateText(count: number, seconds: number): string {
  const perSecond = count / seconds;
  if (perSecond >= 1) return `${perSecond.toFixed(1)} per second`;
  if (perSecond >= 1 / 60) return `${(perSecond * 60).toFixed(1)} per minute`;
  return `${(perSecond * 3_600).toFixed(1)} per hour`;
}

function Percentiles({ operations, p50Ms, p95Ms, p99Ms }: Figures["wakeToConfirmed"]): ReactNode {
  return (
    <div>
      <h3>From the wake to CONFIRMED</h3>
      {operations === 0 ? (
        <p className="muted">No operation waited for a wake.</p>
      ) : (
        <>
          <dl className="percentiles">
            {([["Median", p50Ms], ["95 % within", p95Ms], ["99 % within", p99Ms]] as const).map(([name, millis]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{millis === null ? "–" : millisText(millis)}</dd>
              </div>
            ))}
          </dl>
          <p className="muted">of {plural(operations, "operation")}</p>
        </>
      )}
    </div>
  );
}

const millisText = (millis: number): string =>
  millis < 10_000 ? `${formatNumber(millis)} ms` : durationText(millis / 1_000);

function Reasons({ reasons }: { reasons: Figures["reasons"] }): ReactNode {
  const id = useId();
  const most = Math.max(...reasons.map(({ count }) => count));
  return (
    <div>
      <h3 id={id}>Failures by reason</h3>
      {reasons.length === 0 ? (
        <p className="muted">None.</p>
      ) : (
        <ul className="reasons" aria-labelledby={id}>
          {reasons.map(({ status, reason, count }) => (
            <li key={status + reason}>
              <Link to="/operations" search={{ statuses: [status], reasons: [reason] }}>
                {reasonText(reason)}
              </Link>
              <Status status={status} />
              <span className="num">{formatNumber(count)}</span>
              <span className="reason-bar" style={{ width: `${(100 * count) / most}%` }} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
