/** Pausing and resuming dispatch: for all devices, for those of a Leshan server, or for one endpoint. */

import { type ReactNode, useState } from "react";

import { PauseDispatchDocument, ResumeDispatchDocument, DispatchStatusDocument } from "../api/generated";
import { useLive } from "../api/live";
import type { Problem } from "../api/problem";
import { useRun } from "../api/run";
import { type Pause, pauseScope, readDispatchStatusAgain } from "../shell/dispatch-status";
import { Field } from "./field";
import { FormDialog } from "./form-dialog";
import { toast } from "./toasts";

const MAX_REASON = 255;

/** The button that opens the dialog; `endpoint` is the one that it proposes. */
export function PauseButton({ endpoint }: { endpoint?: string | null | undefined }): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Pause dispatch…
      </button>
      {open && <PauseDialog endpoint={endpoint ?? ""} onClose={() => setOpen(false)} />}
    </>
  );
}

function PauseDialog({ endpoint, onClose }: { endpoint: string; onClose: () => void }): ReactNode {
  const run = useRun();
  const [scope, setScope] = useState(endpoint ? "endpoint" : "all");
  const server = useLive(DispatchStatusDocument, {}).data?.dispatchStatus?.leshanServer?.name;

  async function pause(form: FormData): Promise<Problem | undefined> {
    const { problem } = await run(PauseDispatchDocument, {
      reason: String(form.get("reason")),
      leshanServer: scope === "server" ? (server ?? null) : null,
      endpoint: scope === "endpoint" ? String(form.get("endpoint")) : null,
    });
    if (!problem) readDispatchStatusAgain();
    return problem?.code === "NOT_FOUND" ? { ...problem, field: "endpoint" } : problem;
  }
  return (
    <FormDialog title="Pause dispatch" action="Pause" danger onSubmit={pause} onClose={onClose}>
      <p>
        No further operation is sent until the pause is ended. Calls that are open continue, and what waits can still expire or be canceled.
      </p>
      <label>
        What is paused
        <select value={scope} onChange={(event) => setScope(event.target.value)}>
          <option value="all">All devices</option>
          {server && <option value="server">The devices of Leshan server {server}</option>}
          <option value="endpoint">One endpoint</option>
        </select>
      </label>
      {scope === "endpoint" && (
        <Field name="endpoint" label="Endpoint">
          {(control) => <input {...control} name="endpoint" defaultValue={endpoint} required />}
        </Field>
      )}
      <Field name="reason" label="Reason">
        {(control) => <input {...control} name="reason" required maxLength={MAX_REASON} autoFocus />}
      </Field>
    </FormDialog>
  );
}

export function ResumeButton({ pause }: { pause: Pause }): ReactNode {
  const run = useRun();
  const [running, setRunning] = useState(false);
  async function resume() {
    setRunning(true);
    const { problem } = await run(ResumeDispatchDocument, {
      leshanServer: pause.endpointName ? null : pause.leshanServerName,
      endpoint: pause.endpointName,
    });
    setRunning(false);
    if (problem) toast(problem.message, { bad: true });
    else toast(`Dispatch to ${pauseScope(pause)} is resumed.`);
    readDispatchStatusAgain();
  }
  return (
    <button type="button" disabled={running} onClick={() => void resume()}>
      Resume<span className="visually-hidden"> dispatch to {pauseScope(pause)}</span>
    </button>
  );
}
