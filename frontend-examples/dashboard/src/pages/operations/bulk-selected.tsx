/** Cancel or retry the selected operations, one by one. */

import { type ReactNode, useEffect, useRef, useState } from "react";

import { CancelOperationDocument, type OperationRowFragment, RetryOperationDocument } from "../../api/generated";
import { newIdempotencyKey } from "../../api/idempotency";
import type { Problem } from "../../api/problem";
import { type Run, useRun } from "../../api/run";
import { Dialog, DialogActions } from "../../components/dialog";
import { asksBeforeRetry, canCancel, canRetry } from "../../operation-rules";
import { formatNumber, plural } from "../../words";
import { type BulkAction, PAST } from "./bulk-action";

/** Number of mutations that are under way at the same time. */
const PARALLEL = 4;

interface Props {
  action: BulkAction;
  operations: readonly OperationRowFragment[];
  onDone: () => void;
  onClose: () => void;
}

interface Progress {
  done: number;
  failed: number;
  /** The first failure. */
  problem?: Problem;
}

export function BulkSelected({ action, operations, onDone, onClose }: Props): ReactNode {
  const run = useRun();
  // Those of the moment at which the dialog opened: they change while it runs.
  const [chosen] = useState(operations);
  const [able] = useState(() => operations.filter(action === "Cancel" ? canCancel : canRetry));
  const [progress, setProgress] = useState<Progress>();
  const [isStopped, setStopped] = useState(false);
  const stopped = useRef(false);
  useEffect(() => {
    stopped.current = false;
    return () => {
      stopped.current = true;
    };
  }, []);
  function stop() {
    stopped.current = true;
    setStopped(true);
  }

  async function execute() {
    let now: Progress = { done: 0, failed: 0 };
    setProgress(now);
    const waiting = [...able];
    async function work() {
      for (let operation = waiting.shift(); operation && !stopped.current; operation = waiting.shift()) {
        const problem = await act(run, action, operation.id);
        now = problem ? { problem, ...now, failed: now.failed + 1 } : { ...now, done: now.done + 1 };
        setProgress(now);
      }
    }
    await Promise.all(Array.from({ length: PARALLEL }, work));
    onDone();
  }
  const others = chosen.length - able.length;
  const othersText = others === 1 ? "other one cannot" : `${formatNumber(others)} others cannot`;
  const asking = action === "Retry" ? able.filter(asksBeforeRetry).length : 0;
  const isRunning = progress !== undefined && !isStopped && progress.done + progress.failed < able.length;
  const close = isRunning ? stop : onClose;
  return (
    <Dialog title={`${action} the selected operations`} onClose={close}>
      <div className="dialog-body">
        <p>
          <strong>{plural(able.length, "operation")}</strong> of {formatNumber(chosen.length)} selected.
          {others > 0 && ` The ${othersText} be ${action === "Cancel" ? "canceled" : "retried"}.`}
        </p>
        {asking > 0 && (
          <p>
            {plural(asking, "operation is", "operations are")} not repeatable (such as EXECUTE). A device that executed it already
            executes it a second time.
          </p>
        )}
        {progress && <Report action={action} total={able.length} progress={progress} isStopped={isStopped} />}
      </div>
      <DialogActions close={isRunning ? "Stop" : progress ? "Close" : "Back"} onClose={close}>
        {!progress && able.length > 0 && (
          <button type="button" className="danger" onClick={() => void execute()}>
            {action} {plural(able.length, "operation")}
          </button>
        )}
      </DialogActions>
    </Dialog>
  );
}

interface ReportProps {
  action: BulkAction;
  total: number;
  progress: Progress;
  isStopped: boolean;
}

function Report({ action, total, progress, isStopped }: ReportProps): ReactNode {
  const { done, failed, problem } = progress;
  return (
    <>
      <progress max={total} value={done + failed} aria-label="Progress" />
      <p role="status">
        {plural(done, "operation")} {PAST[action]}, {formatNumber(failed)} passed over
        {isStopped && `, ${formatNumber(total - done - failed)} left out`}.
      </p>
      {problem && <p className="muted">{problem.message}</p>}
    </>
  );
}

async function act(run: Run, action: BulkAction, id: string): Promise<Problem | undefined> {
  const { problem } =
    action === "Cancel"
      ? await run(CancelOperationDocument, { id })
      : await run(RetryOperationDocument, { id, idempotencyKey: newIdempotencyKey() });
  return problem;
}
