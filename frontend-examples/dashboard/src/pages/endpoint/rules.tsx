/** Observation rules that apply to an endpoint, and its firmware update. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { EndpointPageQuery } from "../../api/generated";
import { Badge, Foreign } from "../../components/text";
import { Ago } from "../../components/time";
import { observationTone, updateTone } from "../../words";

type Page = NonNullable<EndpointPageQuery["endpoint"]>;

export function Rules({ observations }: { observations: Page["observations"] }): ReactNode {
  if (!observations.length) {
    return (
      <p className="muted">
        No <Link to="/rules">observation rule</Link> applies.
      </p>
    );
  }
  return (
    <table className="list" aria-label="Observation rules">
      <thead>
        <tr>
          <th scope="col">Rule</th>
          <th scope="col">State</th>
          <th scope="col">Paths</th>
          <th scope="col" className="wide-only">
            Last report
          </th>
        </tr>
      </thead>
      <tbody>
        {observations.map(({ rule, state, since, paths, lastReportAt, detail, operation }) => (
          <tr key={rule.id}>
            <td>
              <Link to="/rules">
                <Foreign text={rule.name} />
              </Link>
            </td>
            <td>
              <Badge tone={observationTone(state)}>
                {operation ? (
                  <Link to="/operations/$id" params={{ id: operation.id }}>
                    {state}
                  </Link>
                ) : (
                  state
                )}
              </Badge>{" "}
              <span className="muted">
                since <Ago at={since} />
                {detail && (
                  <>
                    : <Foreign text={detail} />
                  </>
                )}
              </span>
            </td>
            <td className="mono">{paths.join(" ")}</td>
            <td className="wide-only">
              <Ago at={lastReportAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Firmware({ update }: { update: NonNullable<Page["firmwareUpdate"]> }): ReactNode {
  const { state, stateSince, package: image, campaign, reason, detail, versionBefore, versionAfter } = update;
  return (
    <p>
      <Foreign text={`${image.name} ${image.version}`} /> <Badge tone={updateTone(state)}>{state}</Badge>{" "}
      <span className="muted">
        since <Ago at={stateSince} />
        {versionBefore && <>, version before {<Foreign text={versionBefore} />}</>}
        {versionAfter && <>, now {<Foreign text={versionAfter} />}</>}
        {reason && `: ${reason}`}
        {detail && (
          <>
            {" "}
            (<Foreign text={detail} />)
          </>
        )}
      </span>
      {campaign && (
        <>
          {" "}
          <Link to="/campaigns/$id" params={{ id: campaign.id }}>
            Campaign <Foreign text={campaign.name} />
          </Link>
        </>
      )}
    </p>
  );
}
