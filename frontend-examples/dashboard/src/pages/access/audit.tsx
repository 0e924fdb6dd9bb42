/** The audit: every mutation and every change of tokens, newest first. For ADMIN. */

import type { ReactNode } from "react";

import { AuditLogDocument, type AuditLogQuery } from "../../api/generated";
import { useRows } from "../../api/rows";
import { columnsOf, DataTable } from "../../components/data-table";
import { Foreign, PageHead } from "../../components/text";
import { At } from "../../components/time";

type AuditEvent = NonNullable<AuditLogQuery["auditLog"]>["edges"][number]["node"];

const column = columnsOf<AuditEvent>();

const COLUMNS = [
  column("at", "Time", (row) => <At at={row.at} />, { width: "12rem", narrow: "10.5rem" }),
  column("actor", "By", (row) => <Foreign text={row.actor} />, { width: "minmax(7rem, 1fr)" }),
  column("action", "Action", (row) => row.action, { width: "minmax(10rem, 1.2fr)", narrow: "1fr" }),
  column("target", "Target", (row) => <Foreign text={row.target ?? ""} />, { width: "minmax(8rem, 1.2fr)", narrow: "line" }),
  column("detail", "Detail", (row) => <Detail detail={row.detail} />, { width: "minmax(10rem, 2fr)" }),
];

const keyOf = ({ id }: AuditEvent): string => id;

const Detail = ({ detail }: { detail: unknown }): ReactNode =>
  detail === null || detail === undefined ? null : <Foreign text={JSON.stringify(detail)} />;

export function Audit(): ReactNode {
  const rows = useRows(AuditLogDocument, {}, (data) => data.auditLog, keyOf);
  return (
    <>
      <PageHead title="Audit">
        <button type="button" onClick={() => void rows.refresh()}>
          Read again
        </button>
      </PageHead>
      <DataTable label="Audit" rows={rows} columns={COLUMNS} rowKey={keyOf} empty="Nothing was changed yet." />
    </>
  );
}
