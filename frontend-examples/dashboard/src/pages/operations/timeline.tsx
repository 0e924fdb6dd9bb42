/** The transitions of an operation, oldest first: read page by page, and followed once the last page was read. */

import { type ReactNode, useState } from "react";

import { LaterStepsDocument, type OperationQuery, type TransitionFragment } from "../../api/generated";
import { useRun } from "../../api/run";
import { Foreign, Status } from "../../components/text";
import { At } from "../../components/time";
import { toast } from "../../components/toasts";
import { durationText } from "../../times";
import { reasonText } from "../../words";
import { type Details, withPage } from "./steps";

export const FIRST_STEPS = 50;
const LATER_STEPS = 200;

interface Props {
  operation: Details;
  update: (change: (data: OperationQuery) => OperationQuery) => void;
}

export function Timeline({ operation, update }: Props): ReactNode {
  const run = useRun();
  const [reading, setReading] = useState(false);
  const { edges, pageInfo } = operation.transitions;

  async function readLater() {
    setReading(true);
    const { data, problem } = await run(LaterStepsDocument, { id: operation.id, first: LATER_STEPS, after: pageInfo.endCursor });
    setReading(false);
    if (problem) toast(problem.message, { bad: true });
    const page = data?.deviceOperation?.transitions;
    if (page) update((data) => withPage(data, page));
  }
  return (
    <section className="card">
      <h2>Transitions</h2>
      <ol className="timeline">
        {edges.map(({ node }, index) => (
          <Step key={node.number} step={node} before={edges[index - 1]?.node} />
        ))}
      </ol>
      {pageInfo.hasNextPage && (
        <button type="button" disabled={reading} onClick={() => void readLater()}>
          Show later transitions
        </button>
      )}
    </section>
  );
}

function Step({ step, before }: { step: TransitionFragment; before: TransitionFragment | undefined }): ReactNode {
  const { number, toStatus, attempt, reason, detail, at } = step;
  const gap = before && (Date.parse(at) - Date.parse(before.at)) / 1_000;
  return (
    <li>
      <span className="step-number num">{number}</span>
      <span className="step-time">
        <At at={at} />
        {gap !== undefined && <span className="muted"> +{gapText(gap)}</span>}
      </span>
      <span>
        <Status status={toStatus} />
      </span>
      <span className="step-why">
        {attempt > 0 && <span className="muted">attempt {attempt} </span>}
        {reason && reasonText(reason)}
        {detail && (
          <>
            {reason && ": "}
            <Foreign text={detail} />
          </>
        )}
      </span>
    </li>
  );
}

/** Short times with their fraction: most steps follow within moments. */
const gapText = (seconds: number): string => (seconds < 10 ? `${Math.max(0, seconds).toFixed(3)} s` : durationText(seconds));
