/** Cancel or retry all operations that match the filter, after the exact number was stated. */

import type { TypedDocumentNode } from "@urql/core";
import { type ReactNode, useState } from "react";

import {
  BulkCountDocument,
  CancelMatchingDocument,
  type CancelMatchingMutation,
  type CancelMatchingMutationVariables,
  type DeviceOperationFilter,
  RetryMatchingDocument,
} from "../../api/generated";
import { useLive } from "../../api/live";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { Dialog, DialogActions } from "../../components/dialog";
import { Confirm } from "../../components/form-dialog";
import { Failure, Foreign, Note } from "../../components/text";
import { toast } from "../../components/toasts";
import type { OperationSearch } from "../../filters";
import { cancelableOf, retryableOf, unrepeatableOf } from "../../operation-rules";
import { criterionText, formatNumber, plural } from "../../words";
import { type BulkAction, PAST } from "./bulk-action";

const CONCERNED: Record<BulkAction, (filter: DeviceOperationFilter) => DeviceOperationFilter> = {
  Cancel: cancelableOf,
  Retry: retryableOf,
};
// Both have the same fields, by aliases.
const DOCUMENTS: Record<BulkAction, TypedDocumentNode<CancelMatchingMutation, CancelMatchingMutationVariables>> = {
  Cancel: CancelMatchingDocument,
  Retry: RetryMatchingDocument,
};
const NONE: Record<BulkAction, string> = {
  Cancel: "None of the operations that match can be canceled: only QUEUED ones can.",
  Retry: "None of the operations that match can be retried: without a filter by status only those that failed or expired are, and each only once.",
};

interface Props {
  action: BulkAction;
  filter: OperationSearch;
  onDone: () => void;
  onClose: () => void;
}

export function BulkMatching({ action, filter, onDone, onClose }: Props): ReactNode {
  const run = useRun();
  const concerned = CONCERNED[action](filter);
  const { data, problem, reload } = useLive(BulkCountDocument, { filter: concerned, unrepeatable: unrepeatableOf(concerned) });
  const [actual, setActual] = useState<number>();
  const count = actual ?? data?.count ?? 0;
  const title = `${action} operations`;

  async function execute(): Promise<Problem | undefined> {
    const { data, problem } = await run(DOCUMENTS[action], { filter: concerned, expectedCount: count });
    if (problem?.code === "CONFLICT" && problem.count !== undefined) {
      setActual(problem.count);
      reload(); // the number of those that are not repeatable
    }
    if (problem?.done) return { ...problem, message: `${problem.message} ${formatNumber(problem.done)} were ${PAST[action]} before.` };
    if (data?.result) {
      toast(`${plural(data.result.done, "operation")} ${PAST[action]}, ${formatNumber(data.result.passedOver)} passed over.`);
      onDone();
    }
    return problem;
  }
  if (!data || count === 0) {
    return (
      <Dialog title={title} onClose={onClose}>
        {problem ? <Failure problem={problem} /> : <Note>{data ? NONE[action] : "Counting…"}</Note>}
        <DialogActions close="Back" onClose={onClose} />
      </Dialog>
    );
  }
  return (
    <Confirm title={title} action={`${action} ${plural(count, "operation")}`} danger onConfirm={execute} onClose={onClose}>
      <p>
        <strong>{plural(count, "operation")}</strong> with the filter:
      </p>
      <Criteria filter={concerned} />
      {action === "Retry" && !!data.unrepeatable && (
        <p>
          {plural(data.unrepeatable, "operation is", "operations are")} EXECUTE, CREATE or DELETE. A device that executed it already
          executes it a second time.
        </p>
      )}
    </Confirm>
  );
}

const NAMES: Record<string, string> = {
  statuses: "Status",
  endpoint: "Endpoint",
  pathPrefix: "Path at or below",
  kinds: "Kind",
  reasons: "Reason",
  createdAfter: "Created after",
  createdBefore: "Created before",
  batch: "Batch",
  createdBy: "Created by",
  retried: "Retried",
};

function Criteria({ filter }: { filter: DeviceOperationFilter }): ReactNode {
  return (
    <dl className="facts">
      {Object.entries(filter).map(([name, value]) => (
        <div key={name} className="fact">
          <dt>{NAMES[name]}</dt>
          <dd>
            <Foreign text={criterionText(value)} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
