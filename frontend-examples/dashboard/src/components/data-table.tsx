/** A table of any length: only the visible rows exist, and pages of rows are read as they become visible. */

import { type ColumnDef, createColumnHelper, FlexRender, type Row as ModelOf, tableFeatures, useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useEffect, useMemo, useRef, useSyncExternalStore } from "react";

import type { Rows } from "../api/rows";
import { Failure, Note } from "./text";

const features = tableFeatures({});
const ROW_HEIGHT = 40;
/** Height of a row with a second line. */
const TALL_ROW_HEIGHT = 60;

/** The screens on which `ColumnLayout.narrow` applies; the style sheets have the same width. */
const narrowScreen = matchMedia("(width < 44rem)");
function onNarrowChange(listener: () => void): () => void {
  narrowScreen.addEventListener("change", listener);
  return () => narrowScreen.removeEventListener("change", listener);
}

export interface ColumnLayout {
  /** Width as a track of a CSS grid. */
  width: string;
  /** Width on a narrow screen, "line" for a second line of each row; without it the column is hidden there. */
  narrow?: string;
  numeric?: boolean;
}

export type Column<Row extends object> = ColumnDef<typeof features, Row, unknown> & { meta: ColumnLayout };

type Model<Row extends object> = ModelOf<typeof features, Row>;

/** Return a function that makes the columns of a `DataTable`. */
export function columnsOf<Row extends object>() {
  const helper = createColumnHelper<typeof features, Row>();
  return (id: string, header: ReactNode, cell: (row: Row) => ReactNode, meta: ColumnLayout): Column<Row> => ({
    ...helper.display({ id, header: () => header, cell: ({ row }) => cell(row.original) }),
    meta,
  });
}

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
  const isNarrow = useSyncExternalStore(onNarrowChange, () => narrowScreen.matches);
  const rowHeight = isNarrow && columns.some(({ meta }) => meta.narrow === "line") ? TALL_ROW_HEIGHT : ROW_HEIGHT;
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items[items.length - 1]?.index ?? 0;
  useEffect(() => rows.want(first, last), [rows, first, last, rows.version()]);

  const visible = visibleRows(items, rows, rowKey);
  const data = useMemo(
    () => visible.flatMap(({ row }) => row ?? []),
    // The visible rows are others when the version or the range is another one.
    [rows, first, last, rows.version()],
  );
  const table = useTable({ features, columns, data, getRowId: rowKey });
  const models = table.getRowModel().rowsById;

  const tracks = (width: (layout: ColumnLayout) => string | undefined) =>
    [selection && "2rem", ...columns.map(({ meta }) => width(meta))].filter(Boolean).join(" ");
  const style = {
    "--columns": tracks(({ width }) => width),
    "--second-line-start": selection ? 2 : 1,
    "--narrow-columns": tracks(({ narrow }) => (narrow === "line" ? undefined : narrow)),
  } as React.CSSProperties;

  if (!rows.loading && count === 0) {
    return (
      <>
        <Failure problem={rows.problem} />
        <Note>{empty}</Note>
      </>
    );
  }
  return (
    <>
      <Failure problem={rows.problem} />
      <div className="table-scroll" ref={scroller} tabIndex={0} role="region" aria-label={label}>
        <div className="table" role="table" aria-label={label} aria-rowcount={rows.hasMore ? -1 : count + 1} style={style}>
          <div className="table-head" role="rowgroup">
            <div className="table-row" role="row" aria-rowindex={1}>
              {selection && <SelectAll rows={rows} selection={selection} />}
              {table.getFlatHeaders().map((header) => (
                <div key={header.id} role="columnheader" className={cellClass(header.column.columnDef)}>
                  <table.FlexRender header={header} />
                </div>
              ))}
            </div>
          </div>
          <div className="table-body" role="rowgroup" style={{ height: virtualizer.getTotalSize() }}>
            {visible.map(({ key, index, start, row, id }) => (
              <TableRow
                key={key}
                index={index}
                start={start}
                height={rowHeight}
                row={row}
                id={id}
                name={row && selection && rowName(row)}
                model={id === undefined ? undefined : models[id]}
                columns={columns}
                selection={selection}
              />
            ))}
          </div>
        </div>
      </div>
    </>
  );
}

interface VisibleRow<Row> {
  /** The row's own key, so that focus, and a dialog that a row has opened, move with the row. */
  key: string;
  index: number;
  start: number;
  row: Row | undefined;
  id: string | undefined;
}

function visibleRows<Row>(
  items: readonly { index: number; start: number }[],
  rows: Rows<Row>,
  rowKey: (row: Row) => string,
): VisibleRow<Row>[] {
  const seen = new Set<string>();
  return items.map(({ index, start }) => {
    const row = rows.at(index);
    const id = row === undefined ? undefined : rowKey(row);
    const isFirst = id !== undefined && !seen.has(id); // a row that has moved may be in two pages
    if (isFirst) seen.add(id);
    return { key: isFirst ? id : `row ${index}`, index, start, row, id };
  });
}

interface TableRowProps<Row extends object> {
  index: number;
  /** Distance from the top of the body, in pixels. */
  start: number;
  height: number;
  /** Undefined while it is read. */
  row: Row | undefined;
  id: string | undefined;
  name: string | undefined;
  /** Changes with every render of the table; its cells depend on `row` and `columns` only. */
  model: Model<Row> | undefined;
  columns: Column<Row>[];
  selection: Selection | undefined;
}

/** One row, rendered again only if it changed: of a hundred changes a second most concern other rows. */
const TableRow = memo(
  function TableRow<Row extends object>({ index, start, height, id, name = "", model, selection }: TableRowProps<Row>): ReactNode {
    return (
      <div className="table-row" role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${start}px)`, height }}>
        {id !== undefined && selection && <SelectOne id={id} name={name} selection={selection} />}
        {model?.getAllCells().map((cell) => (
          <div key={cell.id} role="cell" className={cellClass(cell.column.columnDef)}>
            <FlexRender cell={cell} />
          </div>
        ))}
        {!model && (
          <div role="cell" className="muted">
            …
          </div>
        )}
      </div>
    );
  },
  (old, next) =>
    old.row === next.row &&
    old.index === next.index &&
    old.start === next.start &&
    old.height === next.height &&
    old.columns === next.columns &&
    old.selection?.keys === next.selection?.keys &&
    old.selection?.onChange === next.selection?.onChange,
) as <Row extends object>(props: TableRowProps<Row>) => ReactNode;

function cellClass(column: { meta?: unknown }): string {
  const { narrow, numeric } = column.meta as ColumnLayout;
  return [numeric && "num", !narrow && "wide-only", narrow === "line" && "second-line"].filter(Boolean).join(" ");
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
function SelectAll<Row>({ rows, selection }: { rows: Rows<Row>; selection: Selection }): ReactNode {
  const { keys, onChange } = selection;
  const input = useRef<HTMLInputElement>(null);
  const isAll = keys.size > 0 && keys.size >= rows.loaded;
  useEffect(() => {
    input.current!.indeterminate = keys.size > 0 && !isAll;
  });
  return (
    <div role="columnheader">
      <input
        ref={input}
        type="checkbox"
        aria-label="Select all loaded rows"
        checked={isAll}
        onChange={() => onChange(isAll ? new Set() : rows.loadedKeys())}
      />
    </div>
  );
}
