/** Counts of a campaign's targets, as a bar and in words. */

import type { ReactNode } from "react";

import type { CampaignRowFragment, CampaignTargetState } from "../../api/generated";
import { Badge } from "../../components/text";
import { formatNumber, targetTone } from "../../words";

type Counts = CampaignRowFragment["counts"];

const ORDER: readonly CampaignTargetState[] = ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "RUNNING", "WAITING"];

export const countOf = (counts: Counts, ...states: CampaignTargetState[]): number =>
  counts.reduce((sum, { state, count }) => (states.includes(state) ? sum + count : sum), 0);

export function Bar({ counts }: { counts: Counts }): ReactNode {
  const total = countOf(counts, ...ORDER);
  const ended = countOf(counts, "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED");
  const percent = total ? Math.floor((ended / total) * 100) : 0;
  return (
    <span className="campaign-bar" role="img" aria-label={`${formatNumber(ended)} of ${formatNumber(total)} targets have ended`}>
      <span className="track">
        {ORDER.slice(0, 5).map((state) => (
          <span
            key={state}
            className={`part ${targetTone(state)}`}
            style={{ width: `${total ? (countOf(counts, state) / total) * 100 : 0}%` }}
          />
        ))}
      </span>
      <span className="num">{percent} %</span>
    </span>
  );
}

export function CountBadges({ counts }: { counts: Counts }): ReactNode {
  return (
    <span className="badges">
      {ORDER.filter((state) => countOf(counts, state) > 0).map((state) => (
        <Badge key={state} tone={targetTone(state)}>
          {formatNumber(countOf(counts, state))} {state}
        </Badge>
      ))}
    </span>
  );
}
