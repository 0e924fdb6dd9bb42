/** Operations of all devices, newest first, by every filter of the API. */

import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { OperationsDocument, type OperationRowFragment } from "../../api/generated";
import { useRows } from "../../api/rows";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { EndpointLink, Foreign, PageHead, Status } from "../../components/text";
import { Ago } from "../../components/time";
import { explain, operationTitle, operationValue } from "../../words";

const route = getRouteApi("/operations");
const column = columnsOf<OperationRowFragment>();

const COLUMNS: Column<OperationRowFragment>[] = [
  column.display({ id: "status", header: "Status", cell: ({ row }) => <Status status={row.original.status} />, meta: { width: "7rem", narrow: "6.5rem" } }),
  column.display({ id: "endpoint", header: "Endpoint", cell: ({ row }) => <EndpointLink name={row.original.endpoint.name} />, meta: { width: "minmax(8rem, 1.2fr)", narrow: "1fr" } }),
  column.display({
    id: "operation",
    header: "Operation",
    cell: ({ row: { original } }) => (
      <Link to="/operations/$id" params={{ id: original.id }}>
        {operationTitle(original)}
      </Link>
    ),
    meta: { width: "minmax(9rem, 1.2fr)", narrow: "1fr" },
  }),
  column.display({ id: "value", header: "Value", cell: ({ row }) => <Foreign text={operationValue(row.original)} />, meta: { width: "minmax(6rem, 1fr)" } }),
  column.display({ id: "why", header: "State", cell: ({ row }) => explain(row.original), meta: { width: "minmax(12rem, 2fr)" } }),
  column.display({ id: "created", header: "Created", cell: ({ row }) => <Ago at={row.original.createdAt} />, meta: { width: "7rem", numeric: true } }),
] as Column<OperationRowFragment>[];

const keyOf = ({ id }: OperationRowFragment): string => id;

export function Operations(): ReactNode {
  const filter = route.useSearch();
  const rows = useRows(OperationsDocument, { filter }, (data) => data.deviceOperations, keyOf);
  return (
    <>
      <PageHead title="Operations" />
      <DataTable label="Operations" rows={rows} columns={COLUMNS} rowKey={keyOf} empty="No operation matches." />
    </>
  );
}
