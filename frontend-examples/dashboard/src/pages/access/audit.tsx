/** The audit: every mutation and every change of tokens, newest first. For ADMIN. */

import type { ReactNode } from "react";

import { AuditLogDocument, type AuditLogQuery } from "../../api/generated";
import { useRows } from "../../api/rows";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { Foreign, PageHead } from "../../components/text";
import { At } from "../../components/time";

type AuditEvent = NonNullable<AuditLogQuery["auditLog"]>["edges"][number]["node"];

const column = columnsOf<AuditEvent>();

const COLUMNS = [
  column.display({ id: "at", header: "Time", cell: ({ row }) => <At at={row.original.at} />, meta: { width: "12rem", narrow: "7rem" } }),
  column.display({ id: "actor", header: "By", cell: ({ row }) => <Foreign text={row.original.actor} />, meta: { width: "minmax(7rem, 1fr)" } }),
  column.display({ id: "action", header: "Action", cell: ({ row }) => row.original.action, meta: { width: "minmax(10rem, 1.2fr)", narrow: "1fr" } }),
  column.display({ id: "target", header: "Target", cell: ({ row }) => <Foreign text={row.original.target ?? ""} />, meta: { width: "minmax(8rem, 1.2fr)", narrow: "1fr" } }),
  column.display({ id: "detail", header: "Detail", cell: ({ row }) => <Detail detail={row.original.detail} />, meta: { width: "minmax(10rem, 2fr)" } }),
] as Column<AuditEvent>[];

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
