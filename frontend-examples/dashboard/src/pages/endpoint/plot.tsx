/** A plot of series: mean as a line, minimum and maximum as a band, a scale for each unit. Dragging selects a range. */

import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { clockTime, localTime, utcTime } from "../../times";
import { bucketText } from "./bucket-text";
import { type Columns, columnsOf, type Series } from "./series";

const HEIGHT = 280;
/** A shorter drag is a click, in pixels. */
const LEAST_DRAG = 5;
/** Lines differ in their dashes, too. */
const DASHES: readonly number[][] = [[], [8, 4], [2, 3], [12, 4, 2, 4], [4, 4], [16, 4]];
export const MAX_SERIES = DASHES.length;

export interface Range {
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
}

interface Props {
  label: string;
  series: readonly Series[];
  range: Range;
  onZoom: (range: Range) => void;
}

export function Plot({ label, series, range, onZoom }: Props): ReactNode {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const zoom = useRef(onZoom);
  zoom.current = onZoom;
  const [index, setIndex] = useState<number | null>(null);
  const columns = useMemo(() => columnsOf(series), [series]);
  const shape = series.map(({ path, units }) => `${path} ${units}`).join("\n");

  useEffect(() => {
    const element = holder.current!;
    const made = new uPlot(
      options(element, series, {
        setCursor: [(self) => setIndex(self.cursor.idx ?? null)],
        setSelect: [(self) => selected(self, zoom.current)],
      }),
      undefined,
      element,
    );
    plot.current = made;
    const stop = keepCurrent(made, element);
    return () => {
      stop();
      made.destroy();
    };
  }, [shape]);

  useEffect(() => {
    const self = plot.current!;
    self.batch(() => {
      self.setData(aligned(columns), false);
      self.setScale("x", { min: range.from / 1_000, max: range.to / 1_000 });
    });
  }, [columns, shape, range.from, range.to]);

  return (
    <div className="plot">
      <div ref={holder} className="plot-canvas" role="img" aria-label={label} />
      <Tooltip series={series} columns={columns} index={index} />
      <ul className="plot-legend">
        {series.map(({ path, name, units }, number) => (
          <li key={path}>
            <Swatch number={number} /> {name ?? path} <span className="muted">{[path, units].filter(Boolean).join(" · ")}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

const Swatch = ({ number }: { number: number }): ReactNode => (
  <svg className={`swatch plot-${number}`} viewBox="0 0 28 4" aria-hidden="true">
    <line x1="0" y1="2" x2="28" y2="2" strokeDasharray={DASHES[number]!.join(" ")} />
  </svg>
);

function Tooltip({ series, columns, index }: { series: readonly Series[]; columns: Columns; index: number | null }): ReactNode {
  const x = index === null ? undefined : columns.xs[index];
  if (x === undefined) return <p className="plot-tip muted">Drag over the plot to zoom in.</p>;
  const at = new Date(x * 1_000).toISOString();
  return (
    <p className="plot-tip">
      <b>{localTime(at)}</b> <span className="muted">{utcTime(at)}</span>
      {series.map(({ path, units }, number) => (
        <span key={path}>
          <Swatch number={number} /> {bucketText(columns.series[number]?.buckets[index!], units)}
        </span>
      ))}
    </p>
  );
}

function aligned({ xs, series }: Columns): uPlot.AlignedData {
  return [xs, ...series.flatMap(({ max, min, mean }) => [max, min, mean])];
}

function options(element: HTMLElement, series: readonly Series[], hooks: uPlot.Hooks.Arrays): uPlot.Options {
  const color = (name: string) => getComputedStyle(element).getPropertyValue(name);
  const units = [...new Set(series.map(scaleOf))];
  const edge = (scale: string): uPlot.Series => ({ scale, width: 0, points: { show: false } });
  const axis: uPlot.Axis = {
    stroke: () => color("--axis"),
    grid: { stroke: () => color("--grid"), width: 1 },
    ticks: { stroke: () => color("--grid"), width: 1 },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    hooks,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    scales: { x: { time: true } },
    axes: [
      { ...axis, values: (_, splits, __, ___, step) => timeLabels(splits, step) },
      ...units.map((scale, number): uPlot.Axis => {
        const shown = number === 0 ? axis : { ...axis, grid: { show: false } };
        return { ...shown, scale, side: number === 0 ? 3 : 1, size: 56, label: scale, labelSize: 18 };
      }),
    ],
    series: [
      {},
      ...series.flatMap((one, number): uPlot.Series[] => {
        const scale = scaleOf(one);
        const stroke = () => color(`--plot-${number}`);
        const dash = DASHES[number]!;
        const line: uPlot.Series = { scale, stroke, width: 1.5, points: { size: 4, stroke, fill: stroke, filter: lonePoints } };
        return [edge(scale), edge(scale), dash.length ? { ...line, dash } : line];
      }),
    ],
    bands: series.map((_, number) => ({ series: [3 * number + 1, 3 * number + 2], fill: () => faint(color(`--plot-${number}`)) })),
  };
}

/** A registered property has the form `rgb(1, 2, 3)`. */
const faint = (color: string): string => color.replace("rgb(", "rgba(").replace(")", ", 0.2)");

/** Name of the scale of a series, which is the label of its axis. */
const scaleOf = ({ units }: Series): string => units ?? "no unit";

/** Indexes of points between two gaps, which no line shows; null if all points are shown. */
function lonePoints(self: uPlot, seriesIndex: number, shown: boolean): number[] | null {
  if (shown) return null;
  const values = Array.from(self.data[seriesIndex]!, (value, index) => ({ value, index })).filter(({ value }) => value !== undefined);
  const missing = (at: number) => (values[at]?.value ?? null) === null;
  return values.flatMap(({ value, index }, at) => (value !== null && missing(at - 1) && missing(at + 1) ? [index] : []));
}

function selected(self: uPlot, onZoom: (range: Range) => void): void {
  const { left, width } = self.select;
  if (width < LEAST_DRAG) return;
  const time = (pixel: number) => Math.round(self.posToVal(pixel, "x") * 1_000);
  const range = { from: time(left), to: time(left + width) };
  self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onZoom(range);
}

const DAY = 86_400;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Labels of the time axis in local time: the date where it changes, otherwise the time. */
function timeLabels(splits: number[], step: number): string[] {
  let before = "";
  return splits.map((split) => {
    const time = new Date(split * 1_000);
    const date = DATE.format(time);
    const label = step >= DAY ? date : step < 60 ? clockTime(time) : CLOCK.format(time);
    const isOther = date !== before && step < DAY;
    before = date;
    return isOther ? `${label}\n${date}` : label;
  });
}

/** Follow the size of the element, and the theme. */
function keepCurrent(plot: uPlot, element: HTMLElement): () => void {
  const redraw = () => plot.redraw(false);
  const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
  sizes.observe(element);
  const theme = new MutationObserver(redraw);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", redraw);
  return () => {
    sizes.disconnect();
    theme.disconnect();
    system.removeEventListener("change", redraw);
  };
}
