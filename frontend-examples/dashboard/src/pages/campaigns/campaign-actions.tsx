/** Pause, resume, approve, cancel and retry, as the campaign's status permits. For the role OPERATOR. */

import { type ReactNode, useState } from "react";

import {
  ApproveWaveDocument,
  type CampaignFactsFragment,
  CancelCampaignDocument,
  PauseCampaignDocument,
  ResumeCampaignDocument,
  RetryCampaignDocument,
} from "../../api/generated";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { toast } from "../../components/toasts";
import { plural } from "../../words";
import { countOf } from "./progress";

type Action = "pause" | "resume" | "approve" | "cancel" | "retry";

interface Props {
  campaign: CampaignFactsFragment;
  onDone: () => void;
}

export function CampaignActions({ campaign, onDone }: Props): ReactNode {
  const [asking, setAsking] = useState<Action>();
  const execute = useActions(campaign, onDone);
  const { status, counts } = campaign;
  const isOpen = status === "SCHEDULED" || status === "RUNNING" || status === "PAUSED" || status === "WAITING_FOR_APPROVAL";
  const unsuccessful = countOf(counts, "FAILED", "CANCELED");
  const waiting = countOf(counts, "WAITING");
  return (
    <>
      {status === "WAITING_FOR_APPROVAL" && (
        <button type="button" className="primary" onClick={() => setAsking("approve")}>
          Approve the next wave…
        </button>
      )}
      {(status === "RUNNING" || status === "WAITING_FOR_APPROVAL") && (
        <button type="button" onClick={() => setAsking("pause")}>
          Pause…
        </button>
      )}
      {(status === "PAUSED" || status === "ABORTED") && (
        <button type="button" onClick={() => setAsking("resume")}>
          Resume…
        </button>
      )}
      {unsuccessful > 0 && (
        <button type="button" onClick={() => setAsking("retry")}>
          Retry {plural(unsuccessful, countOf(counts, "CANCELED") ? "failed or canceled target" : "failed target")}…
        </button>
      )}
      {isOpen && (
        <button type="button" className="danger" onClick={() => setAsking("cancel")}>
          Cancel…
        </button>
      )}
      {asking && (
        <FormDialog
          {...TEXTS[asking]}
          danger={asking === "cancel"}
          onSubmit={(form) => execute(asking, String(form.get("reason") ?? ""))}
          onClose={() => setAsking(undefined)}
        >
          <p>{explanation(asking, waiting, unsuccessful)}</p>
          {(asking === "pause" || asking === "cancel") && (
            <Field name="reason" label="Reason">
              {(control) => <input {...control} name="reason" required maxLength={255} autoComplete="off" />}
            </Field>
          )}
        </FormDialog>
      )}
    </>
  );
}

const TEXTS: Record<Action, { title: string; action: string }> = {
  pause: { title: "Pause the campaign?", action: "Pause" },
  resume: { title: "Resume the campaign?", action: "Resume" },
  approve: { title: "Approve the next wave?", action: "Approve" },
  cancel: { title: "Cancel the campaign?", action: "Cancel the campaign" },
  retry: { title: "Retry what failed?", action: "Retry" },
};

function explanation(action: Action, waiting: number, unsuccessful: number): string {
  switch (action) {
    case "pause":
      return "No further target begins. Those that are running end by themselves.";
    case "resume":
      return `${plural(waiting, "target")} may begin.`;
    case "approve":
      return `The next wave begins; ${plural(waiting, "target is", "targets are")} waiting in all.`;
    case "cancel":
      return `${plural(waiting, "waiting target is", "waiting targets are")} canceled. Those that are running end by themselves.`;
    case "retry":
      return `${plural(unsuccessful, "failed or canceled target begins", "failed or canceled targets begin")} again.`;
  }
}

function useActions({ id }: CampaignFactsFragment, onDone: () => void) {
  const run = useRun();
  function send(action: Action, reason: string) {
    switch (action) {
      case "pause":
        return run(PauseCampaignDocument, { id, reason });
      case "resume":
        return run(ResumeCampaignDocument, { id });
      case "approve":
        return run(ApproveWaveDocument, { id });
      case "cancel":
        return run(CancelCampaignDocument, { id, reason });
      case "retry":
        return run(RetryCampaignDocument, { id });
    }
  }
  return async (action: Action, reason: string): Promise<Problem | undefined> => {
    const { problem } = await send(action, reason);
    if (problem) return problem;
    toast("Done.");
    onDone();
    return undefined;
  };
}
