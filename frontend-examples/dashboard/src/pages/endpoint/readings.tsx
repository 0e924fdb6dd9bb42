/** Readings of a resource that is no number, newest first. */

import type { ReactNode } from "react";

import { ReadingsDocument, type ReadingsQuery } from "../../api/generated";
import { useReadAgain, useRows } from "../../api/rows";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { Foreign } from "../../components/text";
import { At } from "../../components/time";
import { valueText } from "../../words";

type Reading = NonNullable<ReadingsQuery["readings"]>["edges"][number]["node"];

const column = columnsOf<Reading>();
const COLUMNS: Column<Reading>[] = [
  column("at", "Time", (row) => <At at={row.at} />, { width: "12rem", narrow: "10rem" }),
  column("value", "Value", (row) => <Foreign text={valueText(row.value)} />, { width: "1fr", narrow: "1fr" }),
  column("origin", "From", (row) => row.origin, { width: "9rem" }),
];

const keyOf = ({ id }: Reading): string => id;

/** `newest` is the time of the newest known reading: another one reads the list again. */
export function Readings({
  endpoint,
  path,
  name,
  newest,
}: {
  endpoint: string;
  path: string;
  name: string;
  newest: string | undefined;
}): ReactNode {
  const rows = useRows(ReadingsDocument, { endpoint, path }, (data) => data.readings, keyOf);
  useReadAgain(rows, newest);
  return (
    <div className="readings">
      <h3>
        <Foreign text={name} /> <span className="muted">{path}</span>
      </h3>
      <DataTable label={`Readings of ${name}`} rows={rows} columns={COLUMNS} rowKey={keyOf} empty="No readings." />
    </div>
  );
}
