/** Campaigns: the same work for many endpoints. Newest first. */

import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import { type CampaignRowFragment, CampaignsDocument, type CampaignStatus } from "../../api/generated";
import { useRefresh, useRows } from "../../api/rows";
import { For, useMay } from "../../api/viewer";
import { columnsOf, DataTable } from "../../components/data-table";
import { ChoiceFilter } from "../../components/filter-fields";
import { Badge, Foreign, PageHead } from "../../components/text";
import { Ago } from "../../components/time";
import { CAMPAIGN_STATUSES, campaignTone } from "../../words";
import { CampaignForm } from "./campaign-form";
import { Bar, CountBadges } from "./progress";
import "./campaigns.css";

const EVERY_SECONDS = 3;

const route = getRouteApi("/campaigns");
const column = columnsOf<CampaignRowFragment>();
const keyOf = ({ id }: CampaignRowFragment): string => id;

const COLUMNS = [
  column("status", "Status", (row) => <Badge tone={campaignTone(row.status)}>{row.status}</Badge>, { width: "12rem", narrow: "8rem" }),
  column("name", "Campaign", (row) => (
      <Link to="/campaigns/$id" params={{ id: row.id }}>
        <Foreign text={row.name} />
      </Link>
    ), { width: "minmax(10rem, 1.2fr)", narrow: "1fr" }),
  column("what", "Work", (row) => <Work campaign={row} />, { width: "minmax(8rem, 1fr)" }),
  column("progress", "Progress", (row) => <Bar counts={row.counts} />, { width: "minmax(9rem, 1fr)", narrow: "7rem" }),
  column("counts", "Targets", (row) => <CountBadges counts={row.counts} />, { width: "minmax(14rem, 1.6fr)" }),
  column("created", "Created", (row) => <Ago at={row.createdAt} />, { width: "6.5rem", numeric: true }),
];

const Work = ({ campaign }: { campaign: CampaignRowFragment }): ReactNode =>
  campaign.package ? <Foreign text={`${campaign.package.name} ${campaign.package.version}`} /> : "operations";

export function Campaigns(): ReactNode {
  const { package: packageId } = route.useSearch();
  const navigate = route.useNavigate();
  const [statuses, setStatuses] = useState<CampaignStatus[]>();
  const [creating, setCreating] = useState(false);
  const mayCreate = useMay("OPERATOR");
  const rows = useRows(CampaignsDocument, { statuses: statuses ?? null }, (data) => data.campaigns, keyOf);
  useRefresh(rows, EVERY_SECONDS);
  function close() {
    setCreating(false);
    if (packageId) void navigate({ search: {}, replace: true });
  }
  return (
    <>
      <PageHead title="Campaigns">
        <ChoiceFilter label="Status" options={CAMPAIGN_STATUSES} value={statuses} onChange={setStatuses} />
        <For role="OPERATOR">
          <button type="button" className="primary" onClick={() => setCreating(true)}>
            New campaign
          </button>
        </For>
      </PageHead>
      <DataTable
        label="Campaigns"
        rows={rows}
        columns={COLUMNS}
        rowKey={keyOf}
        empty="No campaign. A campaign updates the firmware of all endpoints of a filter, or sends them operations, in waves."
      />
      {mayCreate && (creating || packageId) && (
        <CampaignForm packageId={packageId} onCreated={(id) => void navigate({ to: "/campaigns/$id", params: { id } })} onClose={close} />
      )}
    </>
  );
}
