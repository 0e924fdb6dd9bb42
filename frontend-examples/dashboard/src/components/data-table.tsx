/** A table of any length: only the visible rows exist, and pages of rows are read as they become visible. */

import { type ColumnDef, createColumnHelper, tableFeatures, useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef } from "react";

import type { Rows } from "../api/rows";
import { Failure, Note } from "./text";

const features = tableFeatures({});
const ROW_HEIGHT = 40;

export interface ColumnLayout {
  /** Width as a track of a CSS grid. */
  width: string;
  /** Width on a narrow screen; without it the column is hidden there. */
  narrow?: string;
  numeric?: boolean;
}

export type Column<Row extends object> = ColumnDef<typeof features, Row, unknown> & { meta: ColumnLayout };

/** The helper of `@tanstack/react-table` for columns of a `DataTable`. */
export const columnsOf = <Row extends object>() => createColumnHelper<typeof features, Row>();

/** Selected rows by key; the owner keeps the set. */
export interface Selection {
  keys: ReadonlySet<string>;
  onChange: (keys: ReadonlySet<string>) => void;
}

interface Props<Row extends object> {
  label: string;
  rows: Rows<Row>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** What a row is called in the label of its checkbox. */
  rowName?: (row: Row) => string;
  selection?: Selection;
  empty: ReactNode;
}

export function DataTable<Row extends object>(props: Props<Row>): ReactNode {
  const { label, rows, columns, rowKey, rowName = rowKey, selection, empty } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const count = rows.length + (rows.hasMore ? 1 : 0);
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => rows.want(first, last), [rows, first, last, rows.version()]);

  const placed = items.map(({ index, start }) => ({ index, start, row: rows.at(index) }));
  const data = useMemo(
    () => placed.flatMap(({ row }) => row ?? []),
    // The visible rows are others when the version or the range is another one.
    [rows, first, last, rows.version()],
  );
  const table = useTable({ features, columns, data, getRowId: rowKey });
  const models = table.getRowModel().rowsById;

  const tracks = (width: (layout: ColumnLayout) => string | undefined) =>
    [selection && "2rem", ...columns.map(({ meta }) => width(meta))].filter(Boolean).join(" ");
  const style = {
    "--columns": tracks(({ width }) => width),
    "--narrow-columns": tracks(({ narrow }) => narrow),
  } as React.CSSProperties;

  if (!rows.loading && count === 0) return <Note>{empty}</Note>;
  return (
    <>
      <Failure problem={rows.problem} />
      <div className="table-scroll" ref={scroller} tabIndex={0} role="region" aria-label={label}>
        <div className="table" role="table" aria-label={label} aria-rowcount={rows.hasMore ? -1 : count + 1} style={style}>
          <div className="table-head" role="rowgroup">
            <div className="table-row" role="row" aria-rowindex={1}>
              {selection && <SelectAll rows={rows} rowKey={rowKey} selection={selection} />}
              {table.getFlatHeaders().map((header) => (
                <div key={header.id} role="columnheader" className={cellClass(header.column.columnDef)}>
                  <table.FlexRender header={header} />
                </div>
              ))}
            </div>
          </div>
          <div className="table-body" role="rowgroup" style={{ height: virtualizer.getTotalSize() }}>
            {placed.map(({ index, start, row }) => {
              const model = row && models[rowKey(row)];
              return (
                <div
                  key={index}
                  className="table-row"
                  role="row"
                  aria-rowindex={index + 2}
                  style={{ transform: `translateY(${start}px)`, height: ROW_HEIGHT }}
                >
                  {row && selection && <SelectOne id={rowKey(row)} name={rowName(row)} selection={selection} />}
                  {model?.getAllCells().map((cell) => (
                    <div key={cell.id} role="cell" className={cellClass(cell.column.columnDef)}>
                      <table.FlexRender cell={cell} />
                    </div>
                  ))}
                  {!model && (
                    <div role="cell" className="muted">
                      …
                    </div>
                  )}
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </>
  );
}

function cellClass(column: { meta?: unknown }): string {
  const { narrow, numeric } = column.meta as ColumnLayout;
  return [numeric && "num", !narrow && "wide-only"].filter(Boolean).join(" ");
}

function SelectOne({ id, name, selection }: { id: string; name: string; selection: Selection }): ReactNode {
  const { keys, onChange } = selection;
  function toggle(checked: boolean) {
    const next = new Set(keys);
    if (checked) next.add(id);
    else next.delete(id);
    onChange(next);
  }
  return (
    <div role="cell">
      <input type="checkbox" aria-label={`Select ${name}`} checked={keys.has(id)} onChange={(event) => toggle(event.target.checked)} />
    </div>
  );
}

/** Selects the rows that are in memory. What matches the filter beyond them is the duty of the page's own actions. */
function SelectAll<Row>({ rows, rowKey, selection }: { rows: Rows<Row>; rowKey: (row: Row) => string; selection: Selection }): ReactNode {
  const { keys, onChange } = selection;
  function all(): Set<string> {
    const found = new Set<string>();
    for (let index = 0; index < rows.length; index++) {
      const row = rows.at(index);
      if (row !== undefined) found.add(rowKey(row));
    }
    return found;
  }
  return (
    <div role="columnheader">
      <input
        type="checkbox"
        aria-label="Select all loaded rows"
        checked={keys.size > 0}
        onChange={(event) => onChange(event.target.checked ? all() : new Set())}
      />
    </div>
  );
}
