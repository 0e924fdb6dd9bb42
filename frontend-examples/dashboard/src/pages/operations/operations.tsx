/** Operations of all devices, newest first, by every filter of the API. */

import "./operations.css";

import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useMemo, useState } from "react";

import { OperationCountDocument, type OperationRowFragment } from "../../api/generated";
import { useLive } from "../../api/live";
import type { Rows } from "../../api/rows";
import { For, useMay } from "../../api/viewer";
import { type Column, columnsOf, DataTable, type Selection } from "../../components/data-table";
import { keyOf, useLiveOperations } from "../../components/live-operations";
import { OperationButtons } from "../../components/operation-buttons";
import { PauseButton } from "../../components/pauses";
import { EndpointLink, Foreign, PageHead, Status } from "../../components/text";
import { Ago } from "../../components/time";
import { explain, operationTitle, operationValue, plural } from "../../words";
import type { BulkAction } from "./bulk-action";
import { BulkMatching } from "./bulk-matching";
import { BulkSelected } from "./bulk-selected";
import { OperationFilters } from "./operation-filters";

const COUNT_EVERY_SECONDS = 5;

const route = getRouteApi("/operations");
const column = columnsOf<OperationRowFragment>();

const COLUMNS: Column<OperationRowFragment>[] = [
  column("status", "Status", (row) => <Status status={row.status} />, { width: "6rem", narrow: "6rem" }),
  column("endpoint", "Endpoint", (row) => <EndpointLink name={row.endpoint.name} />, {
    width: "minmax(8rem, 1.2fr)",
    narrow: "1fr",
  }),
  column(
    "operation",
    "Operation",
    (row) => (
      <Link to="/operations/$id" params={{ id: row.id }}>
        {operationTitle(row)}
      </Link>
    ),
    { width: "minmax(9rem, 1.2fr)", narrow: "1fr" },
  ),
  column("value", "Value", (row) => <Foreign text={operationValue(row)} />, { width: "minmax(5rem, 1fr)" }),
  column("why", "State", (row) => <span title={explain(row)}>{explain(row)}</span>, {
    width: "minmax(11rem, 2fr)",
    narrow: "line",
  }),
  column("created", "Created", (row) => <Ago at={row.createdAt} />, { width: "5.5rem", numeric: true }),
];

const ACTIONS = column(
  "actions",
  <span className="visually-hidden">Actions</span>,
  (row) => <OperationButtons operation={row} />,
  { width: "4.5rem" },
);

const nameOf = (row: OperationRowFragment): string => `${operationTitle(row)} of ${row.endpoint.name}`;

export function Operations(): ReactNode {
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const mayOperate = useMay("OPERATOR");
  const { rows, isBehind, restart } = useLiveOperations(filter);
  const count = useLive(OperationCountDocument, { filter }, { everySeconds: COUNT_EVERY_SECONDS });
  const matching = count.isCurrent ? count.data?.deviceOperationCount : undefined;
  const { selected, selection, clear } = useSelected(rows);
  const columns = useMemo(() => (mayOperate ? [...COLUMNS, ACTIONS] : COLUMNS), [mayOperate]);
  const [bulk, setBulk] = useState<{ action: BulkAction; of: "matching" | "selected" }>();

  function changed() {
    count.reload();
    if (bulk?.of === "selected") clear();
    if (rows.isAtTop) void rows.refresh();
  }
  return (
    <>
      <PageHead title="Operations">
        <For role="OPERATOR">
          <PauseButton endpoint={filter.endpoint} />
        </For>
      </PageHead>
      <OperationFilters filter={filter} problem={rows.problem} onChange={(search) => void navigate({ search })} />
      <div className="bulk">
        <p className="bulk-count" role="status">
          {typeof matching !== "number"
            ? "Counting…"
            : `${plural(matching, "operation")}${Object.keys(filter).length ? " match" : ""}`}
        </p>
        {isBehind && (
          <button type="button" className="quiet" onClick={restart}>
            The list has changed: show the newest
          </button>
        )}
        <For role="OPERATOR">
          <div className="bulk-actions" role="group" aria-label={selected.size ? "Selected operations" : "All that match"}>
            <span className="muted">{selected.size ? `${plural(selected.size, "operation")} selected` : "All that match:"}</span>
            {(["Cancel", "Retry"] as const).map((action) => (
              <button key={action} type="button" onClick={() => setBulk({ action, of: selected.size ? "selected" : "matching" })}>
                {selected.size ? `${action} selected…` : `${action} all…`}
              </button>
            ))}
            {selected.size > 0 && (
              <button type="button" className="quiet" onClick={clear}>
                Clear selection
              </button>
            )}
          </div>
        </For>
      </div>
      <DataTable
        label="Operations"
        rows={rows}
        columns={columns}
        rowKey={keyOf}
        rowName={nameOf}
        {...(mayOperate && { selection })}
        empty="No operation matches."
      />
      {bulk?.of === "matching" && (
        <BulkMatching action={bulk.action} filter={filter} onDone={changed} onClose={() => setBulk(undefined)} />
      )}
      {bulk?.of === "selected" && (
        <BulkSelected
          action={bulk.action}
          operations={[...selected].map(([id, row]) => rows.get(id) ?? row)}
          onDone={changed}
          onClose={() => setBulk(undefined)}
        />
      )}
    </>
  );
}

type Selected = ReadonlyMap<string, OperationRowFragment>;

const NONE: Selected = new Map();

/** The selected operations, also those whose rows are not in memory any more. Another list has another selection. */
function useSelected(rows: Rows<OperationRowFragment>): { selected: Selected; selection: Selection; clear: () => void } {
  const [chosen, setChosen] = useState({ rows, selected: NONE });
  const selected = chosen.rows === rows ? chosen.selected : NONE;
  const onChange = useCallback(
    (keys: ReadonlySet<string>) =>
      setChosen((old) => {
        const next = new Map<string, OperationRowFragment>();
        for (const key of keys) {
          const row = rows.get(key) ?? (old.rows === rows ? old.selected.get(key) : undefined);
          if (row) next.set(key, row);
        }
        return { rows, selected: next };
      }),
    [rows],
  );
  // The same objects until the selection changes: rows of the table are rendered again otherwise.
  const selection = useMemo(() => ({ keys: new Set(selected.keys()), onChange }), [selected, onChange]);
  return { selected, selection, clear: () => onChange(new Set()) };
}
