/** Settings of an endpoint, its deletion, and its creation where it is not known. */

import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import {
  type EndpointFactsFragment,
  ProvisionEndpointDocument,
  UpdateEndpointDocument,
  type UpdateEndpointInput,
} from "../../api/generated";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { For } from "../../api/viewer";
import { DeleteEndpoint } from "../../components/delete-endpoint";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { Failure, Foreign, Note, PageHead } from "../../components/text";

const AWAKE_WINDOW = { min: 5, max: 86_400 };

interface Props {
  endpoint: EndpointFactsFragment;
  /** Called when the endpoint is another one than it was. */
  onChanged: () => void;
}

export function SettingsButtons({ endpoint, onChanged }: Props): ReactNode {
  const navigate = useNavigate();
  const [open, setOpen] = useState<"settings" | "delete">();
  const close = () => setOpen(undefined);
  return (
    <For role="OPERATOR">
      <button type="button" onClick={() => setOpen("settings")}>
        Tags and settings…
      </button>
      <button type="button" onClick={() => setOpen("delete")}>
        Delete…
      </button>
      {open === "settings" && <SettingsDialog endpoint={endpoint} onChanged={onChanged} onClose={close} />}
      {open === "delete" && (
        <DeleteEndpoint name={endpoint.name} onDeleted={() => void navigate({ to: "/fleet" })} onClose={close} />
      )}
    </For>
  );
}

function SettingsDialog({ endpoint, onChanged, onClose }: Props & { onClose: () => void }): ReactNode {
  const run = useRun();
  async function save(form: FormData) {
    const { problem } = await run(UpdateEndpointDocument, { name: endpoint.name, input: inputOf(form) });
    if (!problem) onChanged();
    return problem;
  }
  return (
    <FormDialog title="Tags and settings" action="Save" onSubmit={save} onClose={onClose}>
      <Field name="tags" label="Tags, one in a line">
        {(control) => <textarea {...control} name="tags" rows={6} defaultValue={endpoint.tags.join("\n")} />}
      </Field>
      <Field
        name="awakeWindowSeconds"
        label="Awake window in seconds (empty: default)"
        hint="How long the device listens after a contact."
      >
        {(control) => (
          <input
            {...control}
            name="awakeWindow"
            type="number"
            {...AWAKE_WINDOW}
            defaultValue={endpoint.awakeWindowSeconds ?? ""}
          />
        )}
      </Field>
    </FormDialog>
  );
}

function inputOf(form: FormData): UpdateEndpointInput {
  const tags = String(form.get("tags"))
    .split("\n")
    .map((tag) => tag.trim());
  const seconds = String(form.get("awakeWindow"));
  return { tags: [...new Set(tags)].filter(Boolean), awakeWindowSeconds: seconds ? Number(seconds) : null };
}

/** Content of the page for a name that the server does not know. */
export function UnknownEndpoint({ name, onChanged }: { name: string; onChanged: () => void }): ReactNode {
  const run = useRun();
  const [problem, setProblem] = useState<Problem>();
  async function provision() {
    const { problem: failed } = await run(ProvisionEndpointDocument, { name });
    setProblem(failed);
    if (!failed) onChanged();
  }
  return (
    <>
      <PageHead title={<Foreign text={name} />} />
      <Note>There is no endpoint of this name. A device becomes known when it registers.</Note>
      <For role="OPERATOR">
        <p className="provision">
          <button type="button" className="primary" onClick={() => void provision()}>
            Provision it now
          </button>{" "}
          <span className="muted">Operations can then be created before its first registration.</span>
        </p>
        <Failure problem={problem} />
      </For>
    </>
  );
}
