/** Observation rules: what the endpoints of a filter observe and read, and how far they are. */

import { type ReactNode, useState } from "react";

import {
  DeleteRuleDocument,
  type EndpointFilter,
  type RuleFragment,
  RulesDocument,
  UpdateRuleDocument,
} from "../../api/generated";
import { useLive } from "../../api/live";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { For } from "../../api/viewer";
import { filterText } from "../../components/endpoint-choice";
import { Confirm } from "../../components/form-dialog";
import { Badge, Failure, Foreign, Note, PageHead } from "../../components/text";
import { toast } from "../../components/toasts";
import { formatNumber, observationTone } from "../../words";
import { CanceledObservations } from "./canceled-observations";
import { RuleForm } from "./rule-form";

type Asking = { what: "edit" | "disable" | "delete"; rule: RuleFragment } | { what: "create" };

export function Rules(): ReactNode {
  const { data, problem, reload } = useLive(RulesDocument, {}, { everySeconds: 5 });
  const [asking, setAsking] = useState<Asking>();
  const run = useRun();
  const close = () => setAsking(undefined);
  const rules = data?.observationRules;
  /** The rule of the open dialog, as it is now: its counts change meanwhile. */
  const asked = asking && "rule" in asking ? (rules?.find(({ id }) => id === asking.rule.id) ?? asking.rule) : undefined;

  function report(failed: Problem | undefined, done: string): Problem | undefined {
    if (!failed) toast(done);
    reload();
    return failed;
  }
  async function setEnabled(rule: RuleFragment, enabled: boolean) {
    const { problem: failed } = await run(UpdateRuleDocument, { id: rule.id, input: { ...inputOf(rule), enabled } });
    return report(failed, `${rule.name} is ${enabled ? "enabled" : "disabled"}.`);
  }
  async function enable(rule: RuleFragment) {
    const failed = await setEnabled(rule, true);
    if (failed) toast(failed.message, { bad: true });
  }
  async function remove({ id, name }: RuleFragment) {
    const { problem: failed } = await run(DeleteRuleDocument, { id });
    return report(failed, `${name} is deleted.`);
  }

  return (
    <>
      <PageHead title="Rules">
        <For role="OPERATOR">
          <button type="button" className="primary" onClick={() => setAsking({ what: "create" })}>
            New rule
          </button>
        </For>
      </PageHead>
      <Failure problem={problem} />
      {rules?.length === 0 && (
        <Note>No rule yet. A rule observes paths on all endpoints of a filter, and again after every registration.</Note>
      )}
      <div className="cards">
        {rules?.map((rule) => (
          <RuleCard
            key={rule.id}
            rule={rule}
            onToggle={() => (rule.enabled ? setAsking({ what: "disable", rule }) : void enable(rule))}
            onEdit={() => setAsking({ what: "edit", rule })}
            onDelete={() => setAsking({ what: "delete", rule })}
          />
        ))}
      </div>
      {asking?.what === "create" && <RuleForm onDone={reload} onClose={close} />}
      {asked && asking?.what === "edit" && <RuleForm rule={asked} input={inputOf(asked)} onDone={reload} onClose={close} />}
      {asked && asking?.what === "disable" && (
        <Confirm title="Disable the rule?" action="Disable" danger onConfirm={() => setEnabled(asked, false)} onClose={close}>
          <CanceledObservations rule={asked} />
        </Confirm>
      )}
      {asked && asking?.what === "delete" && (
        <Confirm title="Delete the rule?" action="Delete" danger onConfirm={() => remove(asked)} onClose={close}>
          <CanceledObservations rule={asked} />
        </Confirm>
      )}
    </>
  );
}

/** A rule as the input that describes it. */
function inputOf({ name, filter, paths, composite, attributes, readPaths, enabled }: RuleFragment) {
  return {
    name,
    filter: filter as EndpointFilter,
    paths,
    composite,
    attributes: attributes as Record<string, number> | null,
    readPaths,
    enabled,
  };
}

interface CardProps {
  rule: RuleFragment;
  onToggle: () => void;
  onEdit: () => void;
  onDelete: () => void;
}

function RuleCard({ rule, onToggle, onEdit, onDelete }: CardProps): ReactNode {
  const { name, filter, paths, readPaths, attributes, composite, enabled, counts } = rule;
  return (
    <article className="card" aria-label={name}>
      <div className="page-head">
        <h2>
          <Foreign text={name} />
        </h2>
        <Badge tone={enabled ? "good" : "idle"}>{enabled ? "ENABLED" : "DISABLED"}</Badge>
        <For role="OPERATOR">
          <div className="actions">
            <button type="button" onClick={onToggle}>
              {enabled ? "Disable…" : "Enable"}
            </button>
            <button type="button" onClick={onEdit}>
              Edit…
            </button>
            <button type="button" className="danger" onClick={onDelete}>
              Delete…
            </button>
          </div>
        </For>
      </div>
      <dl className="facts">
        <dt>Endpoints</dt>
        <dd>
          <Foreign text={filterText(filter)} />
        </dd>
        {paths.length > 0 && (
          <>
            <dt>Observes</dt>
            <dd className="mono">
              {paths.join(", ")}
              {composite && " (one composite observation)"}
            </dd>
          </>
        )}
        {readPaths.length > 0 && (
          <>
            <dt>Reads</dt>
            <dd className="mono">{readPaths.join(", ")} (at every registration)</dd>
          </>
        )}
        {attributes !== null && (
          <>
            <dt>Attributes</dt>
            <dd>{filterText(attributes)}</dd>
          </>
        )}
        <dt>State</dt>
        <dd className="badges">
          {counts
            .filter(({ count }) => count > 0)
            .map(({ state, count }) => (
              <Badge key={state} tone={observationTone(state)}>
                {formatNumber(count)} {state}
              </Badge>
            ))}
          {counts.every(({ count }) => count === 0) && <span className="muted">no endpoint yet</span>}
        </dd>
      </dl>
    </article>
  );
}
