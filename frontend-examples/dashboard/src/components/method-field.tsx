/** The choice of how a firmware package reaches a device. */

import type { ReactNode } from "react";

import type { FirmwareMethod } from "../api/generated";
import { Field } from "./field";

interface MethodProps {
  method: FirmwareMethod;
  canPull: boolean;
  onChange: (method: FirmwareMethod) => void;
}

export function MethodField({ method, canPull, onChange }: MethodProps): ReactNode {
  return (
    <Field name="method" label="Method" hint="Where a device does not support it, the other one is used.">
      {(control) => (
        <select {...control} value={method} onChange={(event) => onChange(event.target.value as FirmwareMethod)}>
          <option value="PULL" disabled={!canPull}>
            PULL: the device downloads it
          </option>
          <option value="PUSH">PUSH: it is written to the device</option>
        </select>
      )}
    </Field>
  );
}
