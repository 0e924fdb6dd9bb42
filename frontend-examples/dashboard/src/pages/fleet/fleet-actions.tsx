/** Actions on chosen endpoints, or on all that match the filter. For the role OPERATOR. */

import { type ReactNode, useState } from "react";

import { type EndpointFilter, ProvisionEndpointDocument, TagEndpointsDocument } from "../../api/generated";
import type { Problem } from "../../api/problem";
import { type Run, useRun } from "../../api/run";
import { CreateOperations } from "../../components/create/create-operations";
import { type Chosen, countOf, isMoving, MAX_NAMES } from "../../components/create/target";
import { DeleteEndpoint } from "../../components/delete-endpoint";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { EndpointLink } from "../../components/text";
import { toast } from "../../components/toasts";
import { formatNumber, plural } from "../../words";

type Action = "create" | "tags" | "delete";

interface Props {
  chosen: Chosen;
  /** Tags of loaded endpoints, to choose from. */
  knownTags: readonly string[];
  /** Called after endpoints were changed. */
  onDone: () => void;
  /** Called after the chosen endpoint was deleted. */
  onDeleted: () => void;
}

export function FleetActions({ chosen, knownTags, onDone, onDeleted }: Props): ReactNode {
  const [action, setAction] = useState<Action>();
  const close = () => setAction(undefined);
  const one = "names" in chosen && chosen.names.length === 1 ? chosen.names[0] : undefined;
  return (
    <>
      <button type="button" className="primary" onClick={() => setAction("create")}>
        New operation…
      </button>
      <button type="button" onClick={() => setAction("tags")}>
        Tags…
      </button>
      {one !== undefined && (
        <button type="button" className="danger" onClick={() => setAction("delete")}>
          Delete…
        </button>
      )}
      {action === "create" && <CreateOperations target={one === undefined ? chosen : { endpoint: one }} onClose={close} />}
      {action === "tags" && <TagDialog chosen={chosen} knownTags={knownTags} onDone={onDone} onClose={close} />}
      {action === "delete" && one !== undefined && <DeleteEndpoint name={one} onDeleted={onDeleted} onClose={close} />}
    </>
  );
}

const tagsOf = (text: FormDataEntryValue | null): string[] => [
  ...new Set(
    String(text ?? "")
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  ),
];

function TagDialog({ chosen, knownTags, onDone, onClose }: Omit<Props, "onDeleted"> & { onClose: () => void }): ReactNode {
  const run = useRun();
  const [actual, setActual] = useState<number>();
  const moves = "filter" in chosen && isMoving(chosen.filter);
  const count = actual ?? countOf(chosen);

  async function change(form: FormData): Promise<Problem | undefined> {
    const tags = { add: tagsOf(form.get("add")), remove: tagsOf(form.get("remove")) };
    const { changed, problem } = await tagAll(run, chosen, count, tags);
    if (problem?.code === "CONFLICT" && problem.count !== undefined) setActual(problem.count);
    if (!problem) toast(`Tags of ${plural(changed, "endpoint")} changed.`);
    if (!problem || changed) onDone();
    if (!problem || !changed) return problem;
    return { ...problem, message: `${problem.message} The tags of ${plural(changed, "endpoint")} were changed before.` };
  }
  return (
    <FormDialog title="Change tags" action={moves ? "Change tags" : `Change ${plural(count, "endpoint")}`} onSubmit={change} onClose={onClose}>
      <p>
        <strong>{plural(count, "endpoint")}</strong>
        {"filter" in chosen && " that match the filter"}
        {moves && " now; the tags of those that match then are changed"}. Several tags are separated by commas.
      </p>
      <Field name="add" label="Add">
        {(control) => <input {...control} name="add" list="known-tags" placeholder="site:north, model:x1" autoComplete="off" />}
      </Field>
      <Field name="remove" label="Remove">
        {(control) => <input {...control} name="remove" list="known-tags" autoComplete="off" />}
      </Field>
      <datalist id="known-tags">
        {knownTags.map((tag) => (
          <option key={tag} value={tag} />
        ))}
      </datalist>
    </FormDialog>
  );
}

/** Change the tags of all chosen endpoints; names are sent in pieces. */
async function tagAll(
  run: Run,
  chosen: Chosen,
  count: number,
  tags: { add: string[]; remove: string[] },
): Promise<{ changed: number; problem: Problem | undefined }> {
  let changed = 0;
  for (const { filter, expectedCount } of filtersOf(chosen, count)) {
    const { data, problem } = await run(TagEndpointsDocument, { filter, ...tags, expectedCount });
    changed += data?.tagEndpoints ?? problem?.done ?? 0;
    if (problem) return { changed, problem };
  }
  return { changed, problem: undefined };
}

function filtersOf(chosen: Chosen, count: number): { filter: EndpointFilter; expectedCount: number | null }[] {
  if ("filter" in chosen) return [{ filter: chosen.filter, expectedCount: isMoving(chosen.filter) ? null : count }];
  const { names } = chosen;
  if (names.length <= MAX_NAMES) return [{ filter: { names: [...names] }, expectedCount: count }];
  const starts = Array.from({ length: Math.ceil(names.length / MAX_NAMES) }, (_, index) => index * MAX_NAMES);
  return starts.map((start) => {
    const piece = names.slice(start, start + MAX_NAMES);
    return { filter: { names: piece }, expectedCount: piece.length };
  });
}

export function ProvisionButton({ onDone }: { onDone: () => void }): ReactNode {
  const run = useRun();
  const [isOpen, setOpen] = useState(false);
  const [created, setCreated] = useState<string>();
  async function provision(form: FormData): Promise<Problem | undefined> {
    const name = String(form.get("name"));
    const { problem } = await run(ProvisionEndpointDocument, { name });
    if (!problem) {
      setCreated(name);
      onDone();
    }
    return problem;
  }
  return (
    <>
      {created !== undefined && (
        <span role="status">
          Provisioned <EndpointLink name={created} />
        </span>
      )}
      <button type="button" onClick={() => setOpen(true)}>
        Provision an endpoint…
      </button>
      {isOpen && (
        <FormDialog title="Provision an endpoint" action="Provision" onSubmit={provision} onClose={() => setOpen(false)}>
          <p>Operations can be queued for it before its device registers for the first time.</p>
          <Field name="name" label="Endpoint client name">
            {(control) => (
              <input {...control} name="name" required maxLength={255} autoFocus autoComplete="off" spellCheck={false} />
            )}
          </Field>
        </FormDialog>
      )}
    </>
  );
}

/** "3 selected", and the way to all that match. */
export function ChosenText({ chosen }: { chosen: Chosen }): ReactNode {
  const text =
    "names" in chosen
      ? `${formatNumber(chosen.names.length)} selected`
      : `All ${formatNumber(chosen.count)} that match are selected`;
  return <strong>{text}</strong>;
}
