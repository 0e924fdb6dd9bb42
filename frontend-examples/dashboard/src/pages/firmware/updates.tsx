/** The firmware updates of single devices and of campaigns, newest first. */

import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useMemo, useState } from "react";

import { CancelUpdateDocument, type FirmwareUpdateState, type UpdateFragment, UpdatesDocument } from "../../api/generated";
import { useRefresh, useRows } from "../../api/rows";
import { useRun } from "../../api/run";
import { useMay } from "../../api/viewer";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { ChoiceFilter } from "../../components/filter-fields";
import { Confirm } from "../../components/form-dialog";
import { Badge, EndpointLink, Foreign } from "../../components/text";
import { Ago } from "../../components/time";
import { toast } from "../../components/toasts";
import { UPDATE_STATES, updateTone } from "../../words";

const EVERY_SECONDS = 3;

const column = columnsOf<UpdateFragment>();
const keyOf = ({ id }: UpdateFragment): string => id;

const columnsFor = (onCancel: ((update: UpdateFragment) => void) | undefined): Column<UpdateFragment>[] => [
  column("state", "State", (row) => <UpdateState state={row.state} />, { width: "8rem", narrow: "7.5rem" }),
  column("endpoint", "Endpoint", (row) => <EndpointLink name={row.endpoint.name} />, {
    width: "minmax(8rem, 1fr)",
    narrow: "1fr",
  }),
  column("package", "Package", (row) => <Foreign text={`${row.package.name} ${row.package.version}`} />, {
    width: "minmax(8rem, 1fr)",
  }),
  column("versions", "Version", (row) => <Versions update={row} />, { width: "minmax(7rem, 0.8fr)" }),
  column("why", "Detail", (row) => <Why update={row} />, { width: "minmax(10rem, 1.5fr)", narrow: "1fr" }),
  column("since", "Since", (row) => <Ago at={row.finishedAt ?? row.stateSince} />, { width: "6rem", numeric: true }),
  column(
    "actions",
    <span className="visually-hidden">Actions</span>,
    (row) =>
      onCancel && row.finishedAt === null ? (
        <button type="button" aria-label={`Cancel the update of ${row.endpoint.name}`} onClick={() => onCancel(row)}>
          Cancel
        </button>
      ) : null,
    { width: "5.5rem" },
  ),
];

/** `begun` changes when the page has begun an update. */
export function Updates({ begun }: { begun: number }): ReactNode {
  const [states, setStates] = useState<FirmwareUpdateState[]>();
  const [canceling, setCanceling] = useState<UpdateFragment>();
  const rows = useRows(UpdatesDocument, { endpoint: null, states: states ?? null }, (data) => data.firmwareUpdates, keyOf);
  const isOperator = useMay("OPERATOR");
  const columns = useMemo(() => columnsFor(isOperator ? setCanceling : undefined), [isOperator]);
  const run = useRun();
  useEffect(() => {
    if (begun) void rows.refresh();
  }, [rows, begun]);
  useRefresh(rows, EVERY_SECONDS);
  async function cancel({ id, endpoint }: UpdateFragment) {
    const { data, problem } = await run(CancelUpdateDocument, { id });
    const update = data?.cancelFirmwareUpdate;
    if (update) rows.change([id], () => update);
    if (!problem) toast(`The update of ${endpoint.name} is canceled.`);
    return problem;
  }
  return (
    <section className="updates" aria-label="Updates">
      <div className="page-head">
        <h2>Updates</h2>
        <div className="actions filters">
          <ChoiceFilter label="State" options={UPDATE_STATES} value={states} onChange={setStates} />
        </div>
      </div>
      <DataTable
        label="Updates"
        rows={rows}
        columns={columns}
        rowKey={keyOf}
        empty={states ? "No update matches." : "No update yet. One begins with a package: for one device, or for many in a campaign."}
      />
      {canceling && (
        <Confirm
          title="Cancel the update?"
          action="Cancel the update"
          danger
          onConfirm={() => cancel(canceling)}
          onClose={() => setCanceling(undefined)}
        >
          <p>
            <Foreign text={canceling.endpoint.name} /> gets no further request for it. What the device has already downloaded or
            begins to install is its own affair: it may still run the new firmware.
          </p>
        </Confirm>
      )}
    </section>
  );
}

const UpdateState = ({ state }: { state: string }): ReactNode => <Badge tone={updateTone(state)}>{state}</Badge>;

const Versions = ({ update: { versionBefore, versionAfter } }: { update: UpdateFragment }): ReactNode => (
  <Foreign text={[versionBefore, versionAfter].filter(Boolean).join(" → ")} />
);

function Why({ update: { reason, detail, campaign } }: { update: UpdateFragment }): ReactNode {
  if (reason) return <Foreign text={detail ? `${reason}: ${detail}` : reason} />;
  return campaign ? (
    <Link to="/campaigns/$id" params={{ id: campaign.id }}>
      {campaign.name}
    </Link>
  ) : null;
}
