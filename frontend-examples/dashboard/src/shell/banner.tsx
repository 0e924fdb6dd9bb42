/** The banner: everything that keeps operations from being sent, as long as it does. */

import type { ReactNode } from "react";

import { RoadDocument, type RoadQuery } from "../api/generated";
import { useLive } from "../api/live";
import { connection } from "../api/session";
import { useStore } from "../api/store";
import { Ago, At } from "../components/time";
import { Foreign } from "../components/text";

const EVERY_SECONDS = 5;
/** A dispatcher reports itself every second. */
const DISPATCHER_SECONDS = 15;

export function Banner(): ReactNode {
  const { data, problem } = useLive(RoadDocument, {}, { everySeconds: EVERY_SECONDS });
  const link = useStore(connection);
  const notices: ReactNode[] = [];
  if (problem) notices.push(<>{problem.message} What is shown is not current.</>);
  else if (link === "lost") notices.push(<>Offline: changes do not arrive. Connecting again…</>);
  if (data?.dispatchStatus) notices.push(...statusNotices(data.dispatchStatus));
  if (!notices.length) return null;
  return (
    <div className="banner" role="alert">
      {notices.map((notice, index) => (
        <p key={index}>{notice}</p>
      ))}
    </div>
  );
}

function statusNotices({ at, leshanServer, pauses }: NonNullable<RoadQuery["dispatchStatus"]>): ReactNode[] {
  const notices = pauses.map(({ leshanServerName, endpointName, reason, pausedBy, pausedAt }) => (
    <>
      Dispatch {pauseScope(leshanServerName, endpointName)} is paused by <Foreign text={pausedBy} /> since <At at={pausedAt} />:{" "}
      <Foreign text={reason} />
    </>
  ));
  if (leshanServer?.breakerOpenedAt) {
    const { name, breakerOpenedAt, breakerReason } = leshanServer;
    notices.push(
      <>
        Leshan server {name} is unreachable since <At at={breakerOpenedAt} />
        {breakerReason && `: ${breakerReason}`}
      </>,
    );
  }
  const seen = leshanServer?.dispatcherSeenAt ?? null;
  if (!seen || Date.parse(at) - Date.parse(seen) > DISPATCHER_SECONDS * 1_000) {
    notices.push(
      <>
        No dispatcher is running, so nothing is sent (last seen <Ago at={seen} />)
      </>,
    );
  }
  return notices;
}

function pauseScope(server: string | null, endpoint: string | null): ReactNode {
  if (endpoint) return <>to {<Foreign text={endpoint} />}</>;
  return server ? `through ${server}` : "to all devices";
}
