/** The question before an endpoint is deleted. */

import type { ReactNode } from "react";

import { DeleteEndpointDocument } from "../api/generated";
import { useRun } from "../api/run";
import { Confirm } from "./form-dialog";
import { Foreign } from "./text";
import { toast } from "./toasts";

interface Props {
  name: string;
  /** Called after the endpoint was deleted. */
  onDeleted: () => void;
  onClose: () => void;
}

export function DeleteEndpoint({ name, onDeleted, onClose }: Props): ReactNode {
  const run = useRun();
  async function remove() {
    const { problem } = await run(DeleteEndpointDocument, { name });
    if (problem) return problem;
    toast("The endpoint is deleted.");
    onDeleted();
    return undefined;
  }
  return (
    <Confirm title="Delete the endpoint?" action="Delete 1 endpoint" danger onConfirm={remove} onClose={onClose}>
      <p>
        <strong>
          <Foreign text={name} />
        </strong>
      </p>
      <p>
        Its queued operations are canceled, and its values and tags are deleted. Its past operations remain until they are too old. If
        the device registers again, it is a new endpoint.
      </p>
    </Confirm>
  );
}
