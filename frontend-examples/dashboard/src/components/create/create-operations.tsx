/** The dialog that creates an operation: for one endpoint, for chosen ones, or for all that match a filter. */

import { type ReactNode, useRef, useState } from "react";

import { CreateOneDocument, type DeviceOperationTemplateInput, type OperationKind } from "../../api/generated";
import { newIdempotencyKey } from "../../api/idempotency";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { operationTitle, plural } from "../../words";
import { Dialog, DialogActions } from "../dialog";
import { Field } from "../field";
import { FormDialog, useQuestion } from "../form-dialog";
import { Foreign } from "../text";
import { type Draft, inputOf, newDraft } from "./draft";
import { DraftFields } from "./draft-fields";
import { danger } from "./kinds";
import { BatchProgress, CreatedOperation } from "./progress";
import { countOf, filterOf, isMoving, type Target } from "./target";
import { useBatch } from "./use-batch";
import { useObjects } from "./use-objects";

interface Props {
  target: Target;
  /** Initial values of the form. Default: a WRITE without a path. */
  initial?: { kind?: OperationKind; path?: string };
  onClose: () => void;
}

/** For the role OPERATOR. */
export function CreateOperations({ target, initial = {}, onClose }: Props): ReactNode {
  const [draft, setDraft] = useState<Draft>(() => newDraft(initial.kind ?? "WRITE", initial.path ?? ""));
  const moves = "filter" in target && isMoving(target.filter);
  const [stated, setStated] = useState(() => countOf(target));
  const count = moves ? countOf(target) : stated;
  const [batchName, setBatchName] = useState<string>();
  const [stamp] = useState(() => `${new Date().toISOString().slice(0, 19).replace("T", " ")} ${newIdempotencyKey().slice(0, 4)}`);
  const [refused, setRefused] = useState<Problem>();
  const isOne = "endpoint" in target;
  const filter = filterOf(target);
  const objects = useObjects("filter" in target ? filter : { names: filter.names!.slice(0, 3) }, isOne, draft.rows.map(({ path }) => path));
  const batch = useBatch();
  const one = useCreateOne();
  const { ask, question } = useQuestion();
  const title = operationTitle({ kind: draft.kind, path: draft.rows[0]!.path, paths: [] });
  const batchText = batchName ?? `${title} ${stamp}`;
  const action = isOne ? "Create" : moves ? "Create operations" : `Create ${plural(count, "operation")}`;

  async function submit(): Promise<Problem | undefined> {
    const { input, problem } = inputOf(draft, objects);
    if (problem) return problem;
    if (!(await isMeant(input))) return undefined;
    if (isOne) return one.create(input, target.endpoint);
    // The form is not shown while the batch runs: it shows a refusal once it is shown again.
    setRefused(undefined);
    const names = "names" in target && { names: target.names };
    const refusal = await batch.start({ ...names, filter, count, isMoving: moves, input, batch: batchText });
    setRefused(refusal);
    if (refusal?.code === "CONFLICT" && refusal.count !== undefined) setStated(refusal.count);
    return undefined;
  }

  /** Whether the viewer wants what cannot be undone; true for all else. */
  async function isMeant(input: DeviceOperationTemplateInput): Promise<boolean> {
    const effect = danger(input, moves ? Infinity : count);
    if (!effect) return true;
    return ask({
      title: `${operationTitle({ kind: draft.kind, path: input.path ?? null, paths: [] })}?`,
      action: isOne ? "Create it" : action,
      children: (
        <p>
          {!isOne && (
            <strong>
              {plural(count, "endpoint")}
              {moves && " now"}.{" "}
            </strong>
          )}
          {effect}
        </p>
      ),
    });
  }

  if (one.createdId && isOne) {
    return (
      <Dialog key="created" title="Operation created" onClose={onClose} wide>
        <div className="dialog-body">
          <CreatedOperation id={one.createdId} endpoint={target.endpoint} />
        </div>
        <DialogActions onClose={onClose}>
          <button type="button" onClick={one.reset}>
            New operation
          </button>
        </DialogActions>
      </Dialog>
    );
  }
  if (batch.state) {
    const { request, running, stopped } = batch.state;
    const close = running && !stopped ? batch.stop : onClose;
    const whom = request.isMoving ? "all that match" : plural(request.count, "endpoint");
    return (
      <Dialog key="batch" title={`${title} for ${whom}`} onClose={close} wide>
        <div className="dialog-body">
          <BatchProgress state={batch.state} onContinue={() => void batch.start(request)} />
        </div>
        <DialogActions close={close === onClose ? "Close" : "Stop"} onClose={close} />
      </Dialog>
    );
  }
  return (
    <>
      <FormDialog
        key="form"
        title="New operation"
        action={action}
        wide
        noValidate
        problem={refused}
        uncertain="It may have been created. Create it again: it is not created twice."
        onSubmit={submit}
        onDone={() => {}}
        onClose={onClose}
      >
        {isOne ? (
          <p>
            For <Foreign text={target.endpoint} />
          </p>
        ) : (
          <p>
            For <strong>{plural(count, "endpoint")}</strong>
            {"filter" in target && " that match the filter"}
            {moves && " now. The number changes as devices wake: the operations are created for those that match then."}
          </p>
        )}
        <DraftFields draft={draft} objects={objects} onChange={(changed) => setDraft((old) => ({ ...old, ...changed }))} />
        {!isOne && (
          <Field name="batch" label="Batch name" hint="Operations are found again by it.">
            {(control) => (
              <input {...control} value={batchText} maxLength={255} required onChange={(event) => setBatchName(event.target.value)} />
            )}
          </Field>
        )}
      </FormDialog>
      {question}
    </>
  );
}

/** Creation for one endpoint. The key stays while it is uncertain whether the same input was created. */
function useCreateOne() {
  const run = useRun();
  const attempt = useRef({ input: "", key: "" });
  const [createdId, setCreatedId] = useState<string>();

  async function create(input: DeviceOperationTemplateInput, endpoint: string): Promise<Problem | undefined> {
    const text = JSON.stringify(input);
    if (attempt.current.input !== text) attempt.current = { input: text, key: newIdempotencyKey() };
    const { data, problem } = await run(CreateOneDocument, { input: { ...input, endpoint, idempotencyKey: attempt.current.key } });
    if (problem) return problem;
    attempt.current.input = "";
    setCreatedId(data.createDeviceOperation?.operation.id);
    return undefined;
  }
  return { createdId, create, reset: () => setCreatedId(undefined) };
}
