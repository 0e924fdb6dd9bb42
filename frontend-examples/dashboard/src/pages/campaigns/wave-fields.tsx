/** The waves of a campaign: which share begins when. */

import type { ReactNode } from "react";

import { Field, FieldGroup } from "../../components/field";
import { newWave, type WaveDraft } from "./campaign-draft";

interface Props {
  waves: readonly WaveDraft[];
  onChange: (waves: WaveDraft[]) => void;
}

export function WaveFields({ waves, onChange }: Props): ReactNode {
  const changeWave = (key: number, changed: Partial<WaveDraft>) =>
    onChange(waves.map((wave) => (wave.key === key ? { ...wave, ...changed } : wave)));
  const left = Math.max(0, 100 - waves.reduce((sum, { percent }) => sum + Number(percent), 0));
  return (
    <FieldGroup name="waves" legend="Waves">
      {waves.map(({ key, percent, minSuccessPercent, approve }, index) => (
        <div key={key} className="wave-row" role="group" aria-label={`Wave ${index + 1}`}>
          <Field name={`waves.${index}.percent`} label="% of targets">
            {(control) => (
              <input
                {...control}
                type="number"
                min={0}
                max={100}
                step="any"
                required
                value={percent}
                onChange={(event) => changeWave(key, { percent: event.target.value })}
              />
            )}
          </Field>
          <Field name={`waves.${index}.minSuccessPercent`} label="% success needed">
            {(control) => (
              <input
                {...control}
                type="number"
                min={0}
                max={100}
                step="any"
                placeholder="0"
                value={minSuccessPercent}
                onChange={(event) => changeWave(key, { minSuccessPercent: event.target.value })}
              />
            )}
          </Field>
          <label className="inline">
            <input type="checkbox" checked={approve} onChange={(event) => changeWave(key, { approve: event.target.checked })} />
            Needs approval before the next one
          </label>
          {waves.length > 1 && (
            <button
              type="button"
              className="quiet"
              aria-label={`Remove wave ${index + 1}`}
              onClick={() => onChange(waves.filter((wave) => wave.key !== key))}
            >
              Remove
            </button>
          )}
        </div>
      ))}
      <p className="muted">Each wave is a share of all targets; together they are 100 %.</p>
      <button type="button" onClick={() => onChange([...waves, newWave(String(left))])}>
        Add a wave
      </button>
    </FieldGroup>
  );
}
