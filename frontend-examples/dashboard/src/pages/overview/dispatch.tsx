/** The status of dispatching: dispatcher, Leshan, bridge, calls, pauses. */

import type { ReactNode } from "react";

import type { OverviewQuery } from "../../api/generated";
import { For } from "../../api/viewer";
import { ResumeButton } from "../../components/pauses";
import { Badge, Foreign } from "../../components/text";
import { Ago, At } from "../../components/time";
import { type Bridge, bridgeState, dispatcherRuns, pauseScope } from "../../shell/dispatch-status";
import { formatNumber, type Tone } from "../../words";

type DispatchStatus = NonNullable<OverviewQuery["dispatchStatus"]>;

const BRIDGES: Record<Bridge, { tone: Tone; text: string }> = {
  open: { tone: "good", text: "open" },
  closed: { tone: "bad", text: "not open" },
  missing: { tone: "bad", text: "no bridge" },
  unused: { tone: "idle", text: "not used: webhook only" },
};

export function Dispatch({ status }: { status: DispatchStatus }): ReactNode {
  const { leshanServer, openCalls, lateLeases, logBehind, pauses } = status;
  const bridge = BRIDGES[bridgeState(status)];
  return (
    <section className="card" aria-labelledby="dispatch">
      <h2 id="dispatch">Dispatch</h2>
      <dl className="facts">
        <dt>Dispatcher</dt>
        <dd>
          <DispatcherBadge status={status} />{" "}
          {!dispatcherRuns(status) && (
            <span className="muted">
              last seen: <Ago at={leshanServer?.dispatcherSeenAt} />
            </span>
          )}
        </dd>
        <dt>Leshan server</dt>
        <dd>
          <Leshan server={leshanServer} />
        </dd>
        <dt>Event stream</dt>
        <dd>
          <Badge tone={bridge.tone}>{bridge.text}</Badge>{" "}
          {leshanServer?.streamOpenSince && (
            <span className="muted">
              opened <Ago at={leshanServer.streamOpenSince} />
            </span>
          )}
        </dd>
        <dt>Open calls</dt>
        <dd>{formatNumber(openCalls)}</dd>
        <dt>Late leases</dt>
        <dd>{lateLeases > 0 ? <Badge tone="warn">{formatNumber(lateLeases)}</Badge> : "0"}</dd>
        <dt>Undelivered log entries</dt>
        <dd>{formatNumber(logBehind)}</dd>
        <dt>Pauses</dt>
        <dd>{pauses.length === 0 ? "none" : <Pauses pauses={pauses} />}</dd>
      </dl>
    </section>
  );
}

function DispatcherBadge({ status }: { status: DispatchStatus }): ReactNode {
  if (!dispatcherRuns(status)) return <Badge tone="bad">not running</Badge>;
  const isPaused = status.pauses.some(({ endpointName }) => endpointName === null);
  return isPaused ? <Badge tone="warn">paused</Badge> : <Badge tone="good">running</Badge>;
}

function Leshan({ server }: { server: DispatchStatus["leshanServer"] }): ReactNode {
  if (!server) return <Badge tone="idle">unknown</Badge>;
  if (!server.breakerOpenedAt) {
    return (
      <>
        <Badge tone="good">reachable</Badge> <Foreign text={server.name} />
      </>
    );
  }
  return (
    <>
      <Badge tone="bad">unreachable</Badge> <Foreign text={server.name} />{" "}
      <span className="muted">
        since <At at={server.breakerOpenedAt} />
        {server.nextProbeAt && (
          <>
            , next probe <Ago at={server.nextProbeAt} />
          </>
        )}
      </span>
    </>
  );
}

function Pauses({ pauses }: { pauses: DispatchStatus["pauses"] }): ReactNode {
  return (
    <ul className="pauses">
      {pauses.map((pause) => (
        <li key={`${pause.leshanServerName} ${pause.endpointName}`}>
          <strong>
            <Foreign text={pauseScope(pause)} />
          </strong>{" "}
          by <Foreign text={pause.pausedBy} />, <Ago at={pause.pausedAt} />: <Foreign text={pause.reason} />{" "}
          <For role="OPERATOR">
            <ResumeButton pause={pause} />
          </For>
        </li>
      ))}
    </ul>
  );
}
