/** Cancel and retry of one operation, as its status and the viewer's role permit. */

import { type ReactNode, useRef, useState } from "react";

import { CancelOperationDocument, type OperationRowFragment, RetryOperationDocument } from "../api/generated";
import { newIdempotencyKey } from "../api/idempotency";
import { isUncertain, type Problem } from "../api/problem";
import { useRun } from "../api/run";
import { For } from "../api/viewer";
import { asksBeforeRetry, canCancel, canRetry } from "../operation-rules";
import { operationTitle, visible } from "../words";
import { Confirm } from "./form-dialog";
import { Foreign } from "./text";
import { toast } from "./toasts";

interface Props {
  operation: OperationRowFragment;
  /** Called with the new operation. */
  onRetried?: (operation: OperationRowFragment) => void;
}

export function OperationButtons({ operation, onRetried }: Props): ReactNode {
  return (
    <For role="OPERATOR">
      {canCancel(operation) && <CancelButton operation={operation} />}
      {canRetry(operation) && <RetryButton key={operation.id} operation={operation} {...(onRetried && { onRetried })} />}
    </For>
  );
}

/** What a screen reader says behind the word on the button: the rows of a table have the same one. */
const Which = ({ operation }: { operation: OperationRowFragment }): ReactNode => (
  <span className="visually-hidden">
    {" "}
    {operationTitle(operation)} of {visible(operation.endpoint.name)}
  </span>
);

function CancelButton({ operation }: { operation: OperationRowFragment }): ReactNode {
  const run = useRun();
  const [running, setRunning] = useState(false);
  async function cancel() {
    setRunning(true);
    const { problem } = await run(CancelOperationDocument, { id: operation.id });
    setRunning(false);
    if (problem) toast(problem.message, { bad: true });
  }
  return (
    <button type="button" disabled={running} onClick={() => void cancel()}>
      Cancel
      <Which operation={operation} />
    </button>
  );
}

function RetryButton({ operation, onRetried }: Props): ReactNode {
  const run = useRun();
  const key = useRef(newIdempotencyKey());
  const [running, setRunning] = useState(false);
  const [asks, setAsks] = useState(false);
  async function retry(): Promise<Problem | undefined> {
    setRunning(true);
    const { data, problem } = await run(RetryOperationDocument, { id: operation.id, idempotencyKey: key.current });
    setRunning(false);
    if (!problem || !isUncertain(problem)) key.current = newIdempotencyKey();
    if (data?.retryDeviceOperation) {
      toast(`${operationTitle(operation)} is queued again.`);
      onRetried?.(data.retryDeviceOperation.operation);
    }
    return problem;
  }
  async function press() {
    if (asksBeforeRetry(operation)) return setAsks(true);
    const problem = await retry();
    if (problem) toast(problem.message, { bad: true });
  }
  return (
    <>
      <button type="button" disabled={running} onClick={() => void press()}>
        Retry
        <Which operation={operation} />
      </button>
      {asks && (
        <Confirm title="Retry" action="Retry" danger onConfirm={retry} onClose={() => setAsks(false)}>
          <p>
            {operationTitle(operation)} of <Foreign text={operation.endpoint.name} /> is sent once more. If the device executed it
            already, it executes it a second time.
          </p>
        </Confirm>
      )}
    </>
  );
}
