/** The form that updates the firmware of one device. */

import { type ReactNode, useState } from "react";

import { type FirmwareMethod, type PackageFragment, UpdateFirmwareDocument } from "../../api/generated";
import { useRun } from "../../api/run";
import { TextField } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { MethodField } from "../../components/method-field";
import { Foreign } from "../../components/text";
import { toast } from "../../components/toasts";

interface Props {
  package: PackageFragment;
  onDone: () => void;
  onClose: () => void;
}

export function UpdateForm({ package: { id, name, version, uri }, onDone, onClose }: Props): ReactNode {
  const run = useRun();
  const [endpoint, setEndpoint] = useState("");
  const [method, setMethod] = useState<FirmwareMethod>(uri ? "PULL" : "PUSH");
  async function submit() {
    const { problem } = await run(UpdateFirmwareDocument, { endpoint, packageId: id, method });
    if (problem) return problem;
    toast(`The update of ${endpoint} begins when the device wakes.`);
    onDone();
    return undefined;
  }
  return (
    <FormDialog wide title="Update one device" action="Update" onSubmit={submit} onClose={onClose}>
      <p>
        To <Foreign text={`${name} ${version}`} />. The device downloads it, installs it and reboots. For several devices create a
        campaign.
      </p>
      <TextField name="endpoint" label="Endpoint" value={endpoint} onChange={setEndpoint} />
      <MethodField method={method} canPull={uri !== null} onChange={setMethod} />
    </FormDialog>
  );
}
