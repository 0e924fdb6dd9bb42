/** Overview: waiting operations and their reasons, the status of dispatching, the fleet, and statistics of ended operations. */

import "./overview.css";

import { type ReactNode, useEffect } from "react";

import { OverviewDocument } from "../../api/generated";
import { useLive } from "../../api/live";
import { For } from "../../api/viewer";
import { PauseButton } from "../../components/pauses";
import { Failure, Note, PageHead } from "../../components/text";
import { dispatchChanges } from "../../shell/dispatch-status";
import { Dispatch } from "./dispatch";
import { Fleet } from "./fleet";
import { Statistics } from "./statistics";
import { Counts, LongestWaiting, Waiting } from "./waiting";

const EVERY_SECONDS = 5;

export function Overview(): ReactNode {
  const { data, problem, reload } = useLive(OverviewDocument, {}, { everySeconds: EVERY_SECONDS });
  useEffect(() => dispatchChanges.subscribe(reload), [reload]);
  const status = data?.dispatchStatus;
  return (
    <>
      <PageHead title="Overview">
        <For role="OPERATOR">
          <PauseButton />
        </For>
      </PageHead>
      <Failure problem={problem} />
      {!data && !problem && <Note>Reading…</Note>}
      {data?.operationCounts && <Counts counts={data.operationCounts} />}
      <div className="overview">
        {status && <Waiting {...status} />}
        {status && <Dispatch status={status} />}
        <Fleet />
        {status && <LongestWaiting operations={status.longestWaiting} />}
        <Statistics />
      </div>
    </>
  );
}
