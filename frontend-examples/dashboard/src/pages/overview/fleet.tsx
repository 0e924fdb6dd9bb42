/** Endpoints by presence, and those that are late. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { FleetCountsDocument } from "../../api/generated";
import { useLive } from "../../api/live";
import { Badge, Failure, PresenceBadge } from "../../components/text";
import type { EndpointSearch } from "../../filters";
import { formatNumber } from "../../words";

/** The counts are exact, and cost the server more than the rest. */
const EVERY_SECONDS = 15;

export function Fleet(): ReactNode {
  const { data, problem } = useLive(FleetCountsDocument, {}, { everySeconds: EVERY_SECONDS });
  const rows: { name: ReactNode; search: EndpointSearch; count: number | null | undefined }[] = [
    { name: <PresenceBadge presence="ONLINE" />, search: { presences: ["ONLINE"] }, count: data?.online },
    { name: <PresenceBadge presence="ASLEEP" />, search: { presences: ["ASLEEP"] }, count: data?.asleep },
    { name: <PresenceBadge presence="OFFLINE" />, search: { presences: ["OFFLINE"] }, count: data?.offline },
    { name: <Badge tone="warn">overdue</Badge>, search: { overdue: true }, count: data?.overdue },
    { name: "with pending operations", search: { hasPending: true }, count: data?.pending },
  ];
  return (
    <section className="card" aria-labelledby="fleet">
      <h2 id="fleet">Fleet</h2>
      <Failure problem={problem} />
      <table className="list">
        <thead>
          <tr>
            <th scope="col">Endpoints</th>
            <th scope="col" className="num">
              Number
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, search, count }) => (
            <tr key={JSON.stringify(search)}>
              <td>{name}</td>
              <td className="num">
                <Link to="/fleet" search={search}>
                  {typeof count === "number" ? formatNumber(count) : "…"}
                </Link>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
