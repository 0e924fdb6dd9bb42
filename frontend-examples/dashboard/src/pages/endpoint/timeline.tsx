/** Operations of an endpoint, live, and the changes of its presence. */

import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import {
  type EndpointPageQuery,
  type OperationRowFragment,
  type PresenceChangeRowFragment,
  PresenceHistoryDocument,
} from "../../api/generated";
import { useReadAgain, useRows } from "../../api/rows";
import { useMay } from "../../api/viewer";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { keyOf, useLiveOperations } from "../../components/live-operations";
import { OperationButtons } from "../../components/operation-buttons";
import { Foreign, PresenceBadge, Status } from "../../components/text";
import { Ago, At } from "../../components/time";
import { answerText, explain, operationTitle, operationValue } from "../../words";

type EndpointPresences = NonNullable<EndpointPageQuery["endpoint"]>["presenceChanges"];

const column = columnsOf<OperationRowFragment>();

const COLUMNS: Column<OperationRowFragment>[] = [
  column("created", "Created", (row) => <Ago at={row.createdAt} />, { width: "5.5rem" }),
  column("status", "Status", (row) => <Status status={row.status} />, { width: "6.5rem", narrow: "6.5rem" }),
  column(
    "operation",
    "Operation",
    (row) => (
      <Link to="/operations/$id" params={{ id: row.id }}>
        {operationTitle(row)}
      </Link>
    ),
    { width: "minmax(7rem, 1fr)", narrow: "1fr" },
  ),
  column("detail", "Value or state", (row) => <Detail operation={row} />, { width: "minmax(7rem, 1.4fr)", narrow: "line" }),
];

const ACTIONS = column(
  "actions",
  <span className="visually-hidden">Actions</span>,
  (row) => <OperationButtons operation={row} />,
  { width: "4.5rem", narrow: "4.5rem" },
);
const WITH_ACTIONS = [...COLUMNS, ACTIONS];

/** The value that was read or written, or the reason of the status. */
function Detail({ operation }: { operation: OperationRowFragment }): ReactNode {
  const carried = operation.status === "CONFIRMED" ? answerText(operation.answer) || operationValue(operation) : "";
  return <Foreign text={carried || explain(operation)} />;
}

export function Operations({ endpoint }: { endpoint: string }): ReactNode {
  const { rows, isBehind, restart } = useLiveOperations({ endpoint });
  const columns = useMay("OPERATOR") ? WITH_ACTIONS : COLUMNS;
  return (
    <div className="timeline">
      <DataTable label="Operations of the endpoint" rows={rows} columns={columns} rowKey={keyOf} empty="No operations yet." />
      {isBehind && (
        <button type="button" className="small" onClick={restart}>
          Show the newest
        </button>
      )}
    </div>
  );
}

const presenceColumn = columnsOf<PresenceChangeRowFragment>();
const PRESENCE_COLUMNS: Column<PresenceChangeRowFragment>[] = [
  presenceColumn("presence", "Presence", (row) => <PresenceBadge presence={row.presence} />, { width: "8rem", narrow: "8rem" }),
  presenceColumn("at", "Since", (row) => <At at={row.at} />, { width: "1fr", narrow: "1fr" }),
];

const cursorOf = ({ cursor }: PresenceChangeRowFragment): string => cursor;

/** The newest changes of the presence, and all of them on request. */
export function PresenceChanges({ endpoint, newest }: { endpoint: string; newest: EndpointPresences }): ReactNode {
  const [isWhole, setWhole] = useState(false);
  const changes = newest.edges.map(({ node }) => node);
  if (!changes.length) return <p className="muted">The presence has not changed yet.</p>;
  if (isWhole) return <PresenceHistory endpoint={endpoint} newest={changes[0]!.cursor} />;
  return (
    <>
      <ol className="presence" aria-label="Changes of presence">
        {changes.map(({ cursor, presence, at }) => (
          <li key={cursor}>
            <PresenceBadge presence={presence} /> <Ago at={at} />
          </li>
        ))}
      </ol>
      {newest.pageInfo.hasNextPage && (
        <button type="button" className="small" onClick={() => setWhole(true)}>
          All changes of presence
        </button>
      )}
    </>
  );
}

/** `newest` is the cursor of the newest known change: another one reads the list again. */
function PresenceHistory({ endpoint, newest }: { endpoint: string; newest: string }): ReactNode {
  const rows = useRows(PresenceHistoryDocument, { name: endpoint }, (data) => data.endpoint?.presenceChanges ?? null, cursorOf);
  useReadAgain(rows, newest);
  return (
    <div className="timeline">
      <DataTable label="Changes of presence" rows={rows} columns={PRESENCE_COLUMNS} rowKey={cursorOf} empty="No changes." />
    </div>
  );
}
