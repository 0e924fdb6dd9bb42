/** The range of a plot: presets that end now, a range of one's own, and zooming by buttons. */

import { type ReactNode, useState } from "react";

import type { Problem } from "../../api/problem";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { inputTime } from "../../times";
import type { Range } from "./plot";

const HOUR_MS = 3_600_000;
export const SPANS = { "1 h": HOUR_MS, "24 h": 24 * HOUR_MS, "7 d": 168 * HOUR_MS, "30 d": 720 * HOUR_MS };
type Preset = keyof typeof SPANS;
export const PRESETS = Object.keys(SPANS) as Preset[];
const SHORTEST_MS = 1_000;

/** The range before now, or `range`, a fixed one. */
export interface View {
  preset: Preset;
  range?: Range;
}

interface Props {
  view: View;
  shown: Range;
  onChange: (view: View) => void;
  children: ReactNode;
}

export function RangeControls({ view, shown, onChange, children }: Props): ReactNode {
  const [chooses, setChooses] = useState(false);
  const { from, to } = shown;
  const span = to - from;
  const show = (start: number, end: number) => onChange({ ...view, range: { from: Math.round(start), to: Math.round(end) } });
  return (
    <div className="range" role="group" aria-label="Range of the plot">
      {PRESETS.map((preset) => (
        <button
          key={preset}
          type="button"
          aria-pressed={!view.range && view.preset === preset}
          onClick={() => onChange({ preset })}
        >
          {preset}
        </button>
      ))}
      <button type="button" aria-pressed={view.range !== undefined} onClick={() => setChooses(true)}>
        Custom…
      </button>
      <span className="spacer" />
      <button type="button" aria-label="Earlier" title="Earlier" onClick={() => show(from - span / 2, to - span / 2)}>
        ←
      </button>
      <button
        type="button"
        aria-label="Later"
        title="Later"
        disabled={!view.range}
        onClick={() => show(from + span / 2, to + span / 2)}
      >
        →
      </button>
      <button
        type="button"
        aria-label="Zoom in"
        title="Zoom in"
        disabled={span <= SHORTEST_MS}
        onClick={() => show(from + span / 4, to - span / 4)}
      >
        +
      </button>
      <button
        type="button"
        aria-label="Zoom out"
        title="Zoom out"
        onClick={() => show(from - span / 2, Math.min(to + span / 2, Date.now()))}
      >
        −
      </button>
      <button type="button" disabled={!view.range} onClick={() => onChange({ preset: view.preset })}>
        Up to now
      </button>
      {children}
      {chooses && (
        <RangeDialog shown={shown} onRange={(range) => onChange({ ...view, range })} onClose={() => setChooses(false)} />
      )}
    </div>
  );
}

function RangeDialog({
  shown,
  onRange,
  onClose,
}: {
  shown: Range;
  onRange: (range: Range) => void;
  onClose: () => void;
}): ReactNode {
  async function choose(form: FormData): Promise<Problem | undefined> {
    const time = (name: string) => new Date(String(form.get(name))).getTime();
    const range = { from: time("from"), to: time("to") };
    if (range.from >= range.to) return { code: "BAD_USER_INPUT", field: "to", message: "The end must be after the start." };
    onRange(range);
    return undefined;
  }
  return (
    <FormDialog title="Range of the plot" action="Show" onSubmit={choose} onClose={onClose}>
      <Field name="from" label="From (local time)">
        {(control) => (
          <input {...control} name="from" type="datetime-local" step="1" required defaultValue={inputTime(shown.from)} />
        )}
      </Field>
      <Field name="to" label="To (local time)">
        {(control) => <input {...control} name="to" type="datetime-local" step="1" required defaultValue={inputTime(shown.to)} />}
      </Field>
    </FormDialog>
  );
}
