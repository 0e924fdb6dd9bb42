/** Operations of an endpoint, live, and the changes of its presence. */

import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import type { EndpointPresenceSubscription, OperationRowFragment } from "../../api/generated";
import { useMay } from "../../api/viewer";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { keyOf, useLiveOperations } from "../../components/live-operations";
import { OperationButtons } from "../../components/operation-buttons";
import { Foreign, PresenceBadge, Status } from "../../components/text";
import { Ago, At } from "../../components/time";
import { answerText, explain, operationTitle, operationValue } from "../../words";

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
  column("detail", "Value or state", (row) => <Detail operation={row} />, { width: "minmax(7rem, 1.4fr)" }),
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

type PresenceChange = EndpointPresenceSubscription["endpointPresence"];

/** Changes of the presence since the page was opened: earlier ones are not stored as a list. */
export function PresenceChanges({ changes }: { changes: readonly PresenceChange[] }): ReactNode {
  const [all, setAll] = useState(false);
  if (!changes.length) return <p className="muted">No change of presence since this page was opened.</p>;
  const shown = all ? changes : changes.slice(0, 5);
  return (
    <>
      <ol className="presence" aria-label="Changes of presence">
        {shown.map(({ cursor, presence, at }) => (
          <li key={cursor}>
            <PresenceBadge presence={presence} /> <At at={at} clock />
          </li>
        ))}
      </ol>
      {changes.length > shown.length && (
        <button type="button" className="small" onClick={() => setAll(true)}>
          All {changes.length}
        </button>
      )}
    </>
  );
}
