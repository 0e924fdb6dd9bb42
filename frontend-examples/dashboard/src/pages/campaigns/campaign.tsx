/** One campaign: its progress, its targets, and what can be done with it. Live. */

import { getRouteApi } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import {
  CampaignDocument,
  type CampaignFactsFragment,
  type CampaignQuery,
  ProgressDocument,
  type ProgressSubscription,
} from "../../api/generated";
import { changes, useLive } from "../../api/live";
import { For } from "../../api/viewer";
import { filterText } from "../../components/endpoint-choice";
import { Badge, Failure, Foreign, Note, PageHead } from "../../components/text";
import { At, Created } from "../../components/time";
import { campaignTone, formatNumber, plural } from "../../words";
import { CampaignActions } from "./campaign-actions";
import { Bar, CountBadges } from "./progress";
import { Targets, TargetChanges } from "./targets";
import "./campaigns.css";

const route = getRouteApi("/campaigns/$id");

export function Campaign(): ReactNode {
  const { id } = route.useParams();
  return <CampaignWithId key={id} id={id} />;
}

function CampaignWithId({ id }: { id: string }): ReactNode {
  const [targets] = useState(() => new TargetChanges());
  const { data, problem, reading, reload } = useLive(
    CampaignDocument,
    { id },
    {
      cursor: (read) => read.transitionCursor,
      changes: [
        changes<CampaignQuery, ProgressSubscription, { id: string; after?: string | null }>(
          ProgressDocument,
          { id },
          (read, events) => ({ ...read, campaign: events.at(-1)!.campaignProgress.campaign }),
          (events) => targets.report(events.flatMap(({ campaignProgress }) => campaignProgress.target ?? [])),
        ),
      ],
    },
  );
  const campaign = data?.campaign;
  if (!campaign) {
    return (
      <>
        <PageHead title="Campaign" />
        <Failure problem={problem} />
        {!problem && <Note>{reading ? "Reading…" : "There is no such campaign."}</Note>}
      </>
    );
  }
  return (
    <>
      <PageHead
        title={
          <>
            <Foreign text={campaign.name} /> <Badge tone={campaignTone(campaign.status)}>{campaign.status}</Badge>
          </>
        }
      >
        <For role="OPERATOR">
          <CampaignActions campaign={campaign} onDone={reload} />
        </For>
      </PageHead>
      <Failure problem={problem} />
      {campaign.reason && (
        <p className="failure">
          <Foreign text={campaign.reason} />
        </p>
      )}
      <section className="card" aria-label="Progress">
        <Bar counts={campaign.counts} />
        <CountBadges counts={campaign.counts} />
      </section>
      <Facts campaign={campaign} />
      <Targets id={id} changes={targets} />
    </>
  );
}

interface Wave {
  percent: number;
  minSuccessPercent: number;
  approve: boolean;
}

function Facts({ campaign }: { campaign: CampaignFactsFragment }): ReactNode {
  const waves = campaign.waves as Wave[];
  const abort = campaign.abort as { failurePercent: number; minEnded: number } | null;
  const daily = campaign.window as { from: string; to: string; timeZone: string } | null;
  const { package: image, continuous, filter, startsPerMinute, maxRunning, retries, wave } = campaign;
  return (
    <section className="card columns" aria-label="Settings">
      <dl className="facts">
        <dt>Work</dt>
        <dd>{image ? <Foreign text={`Firmware ${image.name} ${image.version}`} /> : "Operations"}</dd>
        <dt>Endpoints</dt>
        <dd>
          <Foreign text={filterText(filter)} />
          {continuous && " (continuous)"}
        </dd>
        <dt>Created</dt>
        <dd>
          <Created of={campaign} />
        </dd>
        <dt>Started</dt>
        <dd>
          <At at={campaign.startedAt} none={campaign.startAt ? "scheduled" : "not yet"} />
        </dd>
        {campaign.finishedAt && (
          <>
            <dt>Finished</dt>
            <dd>
              <At at={campaign.finishedAt} />
            </dd>
          </>
        )}
      </dl>
      <dl className="facts">
        <dt>Limits</dt>
        <dd>
          {startsPerMinute === null ? "no limit of starts" : `${plural(startsPerMinute, "start")} a minute`},{" "}
          {maxRunning === null ? "any number at a time" : `${formatNumber(maxRunning)} at a time`}, {plural(retries, "retry", "retries")}
        </dd>
        <dt>Abort</dt>
        <dd>{abort ? `at ${abort.failurePercent} % failed, once ${abort.minEnded} have ended` : "never"}</dd>
        <dt>Window</dt>
        <dd>{daily ? `${daily.from} to ${daily.to} ${daily.timeZone}` : "always"}</dd>
        <dt>Waves</dt>
        <dd>
          <ol className="plain">
            {waves.map(({ percent, minSuccessPercent, approve }, index) => (
              <li key={index} aria-current={index + 1 === wave ? "step" : undefined}>
                {percent} %{minSuccessPercent > 0 && `, needs ${minSuccessPercent} % success`}
                {approve && ", needs approval"}
                {index + 1 === wave && <strong> (current)</strong>}
              </li>
            ))}
          </ol>
        </dd>
      </dl>
    </section>
  );
}
