/** Operations by status, and those that wait: on how many devices, which the longest, and for what. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { OperationRowFragment, OverviewQuery } from "../../api/generated";
import { EndpointLink, PresenceBadge, Status } from "../../components/text";
import { Ago } from "../../components/time";
import { explain, formatNumber, operationTitle, plural, waitingText } from "../../words";

type DispatchStatus = NonNullable<OverviewQuery["dispatchStatus"]>;

export function Counts({ counts }: { counts: NonNullable<OverviewQuery["operationCounts"]> }): ReactNode {
  return (
    <ul className="tiles" aria-label="Operations by status">
      {counts.map(({ status, count }) => (
        <li key={status}>
          <Link to="/operations" search={{ statuses: [status] }}>
            <span className="figure">{formatNumber(count)}</span>
            <Status status={status} />
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function Waiting({
  waiting,
  longestWaiting,
  heldByLeshan,
}: Pick<DispatchStatus, "waiting" | "longestWaiting" | "heldByLeshan">): ReactNode {
  return (
    <section className="card" aria-labelledby="waiting">
      <h2 id="waiting">Waiting operations</h2>
      {waiting.length === 0 ? (
        <p className="muted">No operation waits.</p>
      ) : (
        <table className="list">
          <thead>
            <tr>
              <th scope="col">Devices that are</th>
              <th scope="col" className="num">
                Endpoints
              </th>
              <th scope="col" className="num">
                Operations
              </th>
            </tr>
          </thead>
          <tbody>
            {waiting.map(({ presence, endpoints, operations }) => (
              <tr key={presence}>
                <td>
                  <PresenceBadge presence={presence} />
                </td>
                <td className="num">
                  <Link to="/fleet" search={{ presences: [presence], hasPending: true }}>
                    {formatNumber(endpoints)}
                  </Link>
                </td>
                <td className="num">{formatNumber(operations)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Why operations={longestWaiting} />
      {heldByLeshan > 0 && <p className="muted">Leshan holds {formatNumber(heldByLeshan)} requests until their devices wake.</p>}
    </section>
  );
}

/** Reasons of the operations that wait longest; the server does not count those of the others. */
function Why({ operations }: { operations: readonly OperationRowFragment[] }): ReactNode {
  const counts = new Map<string, number>();
  for (const { waitingFor } of operations) counts.set(waitingFor, (counts.get(waitingFor) ?? 0) + 1);
  if (counts.size === 0) return null;
  return (
    <>
      <h3>Reasons, on the {plural(operations.length, "device that has", "devices that have")} waited longest</h3>
      <ul className="why">
        {[...counts].map(([waitingFor, count]) => (
          <li key={waitingFor}>
            {waitingText(waitingFor)} <span className="num">{formatNumber(count)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

export function LongestWaiting({ operations }: { operations: readonly OperationRowFragment[] }): ReactNode {
  if (operations.length === 0) return null;
  return (
    <section className="card whole" aria-labelledby="longest">
      <h2 id="longest">Waiting longest</h2>
      <div className="longest">
        <table className="list">
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col">Operation</th>
              <th scope="col">Why it waits</th>
              <th scope="col" className="num">
                Created
              </th>
            </tr>
          </thead>
          <tbody>
            {operations.map((operation) => (
              <tr key={operation.id}>
                <td>
                  <EndpointLink name={operation.endpoint.name} />
                </td>
                <td>
                  <Link to="/operations/$id" params={{ id: operation.id }}>
                    {operationTitle(operation)}
                  </Link>
                </td>
                <td>{explain(operation)}</td>
                <td className="num">
                  <Ago at={operation.createdAt} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
