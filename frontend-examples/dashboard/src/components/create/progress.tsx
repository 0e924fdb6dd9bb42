/** Progress of the operations that the form created. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import {
  BatchProgressDocument,
  CreatedOperationDocument,
  type CreatedOperationQuery,
  TransitionsDocument,
} from "../../api/generated";
import { changes, useLive } from "../../api/live";
import { explain, formatNumber, operationTitle, plural } from "../../words";
import { Failure, Foreign, Status } from "../text";
import type { BatchState } from "./use-batch";

const EVERY_SECONDS = 1;

export function BatchProgress({ state, onContinue }: { state: BatchState; onContinue: () => void }): ReactNode {
  const { request, running, stopped, problem, result } = state;
  const { batch } = request;
  const count = result ? result.created + result.passedOver : request.count;
  const { data } = useLive(BatchProgressDocument, { batch }, { everySeconds: EVERY_SECONDS });
  const created = Math.max(data?.created ?? 0, result?.created ?? 0);
  const done = (data?.confirmed ?? 0) + (data?.unsuccessful ?? 0);
  return (
    <div className="batch-progress">
      <p>
        Batch <Foreign text={batch} />
      </p>
      <Bar
        label="Created"
        value={created}
        max={count}
        text={`${formatNumber(created)} of ${plural(count, "endpoint")}`}
      />
      <Bar
        label="Confirmed"
        value={data?.confirmed ?? 0}
        max={result?.created ?? count}
        text={confirmedText(data?.confirmed ?? 0, data?.unsuccessful ?? 0, created)}
      />
      <p role="status">
        {running && (stopped ? "Stopping…" : "Creating…")}
        {!running && stopped && "Stopped: not all operations were created."}
        {result &&
          `Created ${plural(result.created, "operation")}${result.created > 0 && done >= result.created ? "; all have ended" : ""}.`}
        {result &&
          result.passedOver > 0 &&
          ` ${plural(result.passedOver, "endpoint was", "endpoints were")} passed over: ` +
            "the object or the resource is missing, the value is out of its range, or the queue is full."}
      </p>
      <Failure problem={problem} />
      {(problem || (stopped && !running)) && (
        <p>
          <button type="button" className="primary" onClick={onContinue}>
            Continue
          </button>{" "}
          The operations created so far remain.
        </p>
      )}
      {running ? (
        <p className="muted">It stops if you leave this page.</p>
      ) : (
        <p>
          <Link to="/operations" search={{ batch }}>
            Show the operations of this batch
          </Link>
        </p>
      )}
    </div>
  );
}

function confirmedText(confirmed: number, unsuccessful: number, created: number): string {
  const failed = unsuccessful ? `, ${formatNumber(unsuccessful)} ended otherwise` : "";
  return `${formatNumber(confirmed)} of ${formatNumber(created)}${failed}`;
}

function Bar({ label, value, max, text }: { label: string; value: number; max: number; text: string }): ReactNode {
  return (
    <label className="progress-row">
      <span>{label}</span>
      <progress value={value} max={Math.max(max, 1)} />
      <span className="num">{text}</span>
    </label>
  );
}

/** One operation, live. */
export function CreatedOperation({ id, endpoint }: { id: string; endpoint: string }): ReactNode {
  const { data, problem } = useLive(
    CreatedOperationDocument,
    { id },
    {
      cursor: ({ transitionCursor }) => transitionCursor,
      changes: [
        changes(TransitionsDocument, { endpoint }, (old: CreatedOperationQuery, events) => {
          const latest = events.map((event) => event.operationTransitions.operation).findLast((operation) => operation.id === id);
          return latest && latest.version > (old.deviceOperation?.version ?? -1) ? { ...old, deviceOperation: latest } : old;
        }),
      ],
    },
  );
  const operation = data?.deviceOperation;
  return (
    <>
      <Failure problem={problem} />
      {operation && (
        <p role="status">
          <Status status={operation.status} />{" "}
          <Link to="/operations/$id" params={{ id }}>
            {operationTitle(operation)}
          </Link>{" "}
          {explain(operation)}
        </p>
      )}
    </>
  );
}
