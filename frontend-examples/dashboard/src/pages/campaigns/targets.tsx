/** The targets of a campaign, by state. */

import { type ReactNode, useEffect, useState } from "react";

import { type CampaignTargetState, type TargetFragment, TargetsDocument } from "../../api/generated";
import { useRefresh, useRows } from "../../api/rows";
import { columnsOf, DataTable } from "../../components/data-table";
import { ChoiceFilter } from "../../components/filter-fields";
import { Badge, EndpointLink, Foreign } from "../../components/text";
import { Ago } from "../../components/time";
import { TARGET_STATES, targetTone } from "../../words";

/** The visible rows are read again at most this often because of events. */
const REFRESH_MS = 2_000;
/** A page that was read before an event may arrive after it. */
const EVERY_SECONDS = 10;

/** Targets that changed, from the page's subscription to its table. */
export class TargetChanges {
  #listener: (targets: readonly TargetFragment[]) => void = () => {};

  report(targets: readonly TargetFragment[]): void {
    this.#listener(targets);
  }

  listen(listener: (targets: readonly TargetFragment[]) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = () => {});
  }
}

const column = columnsOf<TargetFragment>();
const keyOf = ({ endpoint }: TargetFragment): string => endpoint.name;

const COLUMNS = [
  column("state", "State", (row) => <Badge tone={targetTone(row.state)}>{row.state}</Badge>, { width: "8rem", narrow: "7.5rem" }),
  column("endpoint", "Endpoint", (row) => <EndpointLink name={row.endpoint.name} />, {
    width: "minmax(9rem, 1.2fr)",
    narrow: "1fr",
  }),
  column("wave", "Wave", (row) => row.wave, { width: "4rem", numeric: true }),
  column("attempts", "Attempts", (row) => row.attempts, { width: "5rem", numeric: true }),
  column("detail", "Detail", (row) => <Detail target={row} />, { width: "minmax(12rem, 2fr)", narrow: "1fr" }),
  column("changed", "Changed", (row) => <Ago at={row.changedAt} />, { width: "6.5rem", numeric: true }),
];

const Detail = ({ target: { detail, update } }: { target: TargetFragment }): ReactNode => (
  <Foreign text={detail ?? update?.reason ?? update?.state ?? ""} />
);

export function Targets({ id, changes }: { id: string; changes: TargetChanges }): ReactNode {
  const [states, setStates] = useState<CampaignTargetState[]>();
  const rows = useRows(TargetsDocument, { id, states: states ?? null }, (data) => data.campaign?.targets ?? null, keyOf);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = changes.listen((targets) => {
      const byName = new Map(targets.map((target) => [keyOf(target), target]));
      rows.change(byName.keys(), (old) => byName.get(keyOf(old)) ?? old);
      // a row that is not there may belong to the list now, or one that is there no more
      if (states || targets.some((target) => !rows.get(keyOf(target)))) timer ??= setTimeout(refresh, REFRESH_MS);
    });
    function refresh() {
      timer = undefined;
      void rows.refreshVisible();
    }
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [rows, changes, states]);
  useRefresh(rows, EVERY_SECONDS);
  return (
    <section className="targets" aria-label="Targets">
      <div className="page-head">
        <h2>Targets</h2>
        <div className="actions">
          <ChoiceFilter label="State" options={TARGET_STATES} value={states} onChange={setStates} />
        </div>
      </div>
      <DataTable label="Targets" rows={rows} columns={COLUMNS} rowKey={keyOf} empty="No target." />
    </section>
  );
}
