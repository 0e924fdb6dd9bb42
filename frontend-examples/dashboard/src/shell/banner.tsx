/** The banner: everything that keeps operations from being sent, or this page from being current, as long as it does. */

import { type ReactNode, useEffect } from "react";

import { DispatchStatusDocument, type DispatchStatusFragment } from "../api/generated";
import { useLive } from "../api/live";
import { connection } from "../api/session";
import { useStore } from "../api/store";
import { For } from "../api/viewer";
import { ResumeButton } from "../components/pauses";
import { Foreign } from "../components/text";
import { At } from "../components/time";
import { plural } from "../words";
import { bridgeState, dispatcherRuns, pauseScope, dispatchChanges } from "./dispatch-status";

const EVERY_SECONDS = 5;
/** Pauses of single endpoints beyond this number are counted only. */
const MOST_PAUSES = 4;

export function Banner(): ReactNode {
  const { data, problem, reload } = useLive(DispatchStatusDocument, {}, { everySeconds: EVERY_SECONDS });
  const link = useStore(connection);
  useEffect(() => dispatchChanges.subscribe(reload), [reload]);
  const notices: ReactNode[] = [];
  if (problem) notices.push(<>{problem.message} What is shown is not current.</>);
  else if (link === "lost") notices.push(<>Offline: changes do not arrive. Connecting again…</>);
  if (data?.dispatchStatus) notices.push(...pauseNotices(data.dispatchStatus), ...statusNotices(data.dispatchStatus));
  return (
    <div role="alert">
      {notices.length > 0 && (
        <div className="banner">
          {notices.map((notice, index) => (
            <p key={index}>{notice}</p>
          ))}
        </div>
      )}
    </div>
  );
}

function pauseNotices({ pauses }: DispatchStatusFragment): ReactNode[] {
  const notices = pauses.slice(0, MOST_PAUSES).map((pause) => (
    <>
      Dispatch to <Foreign text={pauseScope(pause)} /> is paused by <Foreign text={pause.pausedBy} /> since{" "}
      <At at={pause.pausedAt} />: <Foreign text={pause.reason} />{" "}
      <For role="OPERATOR">
        <ResumeButton pause={pause} />
      </For>
    </>
  ));
  const others = pauses.length - MOST_PAUSES;
  if (others > 0) notices.push(<>{plural(others, "more pause")}; the overview lists all.</>);
  return notices;
}

function statusNotices(status: DispatchStatusFragment): ReactNode[] {
  const { leshanServer } = status;
  const notices: ReactNode[] = [];
  if (leshanServer?.breakerOpenedAt) {
    const { name, breakerOpenedAt, breakerReason } = leshanServer;
    notices.push(
      <>
        Leshan server {name} is unreachable since <At at={breakerOpenedAt} />
        {breakerReason && (
          <>
            : <Foreign text={breakerReason} />
          </>
        )}
      </>,
    );
  }
  if (!dispatcherRuns(status)) {
    notices.push(
      <>
        No dispatcher is running, so nothing is sent (last seen: <At at={leshanServer?.dispatcherSeenAt} none="never" />)
      </>,
    );
  }
  const bridge = bridgeState(status);
  if (bridge === "missing") notices.push(<>No bridge is running, so Reveille does not notice when devices wake</>);
  if (bridge === "closed" && !leshanServer?.breakerOpenedAt) {
    notices.push(<>The event stream of Leshan is not open, so Reveille does not notice when devices wake</>);
  }
  return notices;
}
