/** All endpoints by name, by every filter of the API, live. */

import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { EndpointCountDocument, type EndpointRowFragment } from "../../api/generated";
import { useLive } from "../../api/live";
import type { Rows } from "../../api/rows";
import { For, useMay } from "../../api/viewer";
import type { Chosen } from "../../components/create/target";
import { type Column, columnsOf, DataTable } from "../../components/data-table";
import { EndpointFilters } from "../../components/endpoint-filters";
import { Badge, EndpointLink, Foreign, PageHead, PresenceBadge } from "../../components/text";
import { Ago } from "../../components/time";
import type { EndpointSearch } from "../../filters";
import { isForever } from "../../times";
import { formatNumber, plural } from "../../words";
import { ChosenText, FleetActions, ProvisionButton } from "./fleet-actions";
import { keyOf, useLiveEndpoints } from "./live-endpoints";
import "./fleet.css";

const COUNT_SECONDS = 10;

const route = getRouteApi("/fleet");
const column = columnsOf<EndpointRowFragment>();

const COLUMNS: Column<EndpointRowFragment>[] = [
  column("presence", "Presence", (row) => <PresenceBadge presence={row.presence} />, { width: "6rem", narrow: "5.5rem" }),
  column("name", "Name", (row) => <EndpointLink name={row.name} />, { width: "minmax(10rem, 1.5fr)", narrow: "1fr" }),
  column("tags", "Tags", (row) => <Tags tags={row.tags} />, { width: "minmax(8rem, 1.5fr)" }),
  column("seen", "Last seen", (row) => <Ago at={row.lastSeenAt} />, { width: "7rem", numeric: true }),
  column("awake", "Awake until", (row) => <Awake {...row} />, { width: "7rem", numeric: true }),
  column("pending", "Pending", (row) => <Pending {...row} />, { width: "5.5rem", narrow: "4.5rem", numeric: true }),
  column("overdue", "Overdue", (row) => row.overdue && <Badge tone="warn">Overdue</Badge>, { width: "5.5rem" }),
];

function Tags({ tags }: { tags: readonly string[] }): ReactNode {
  return tags.map((tag) => (
    <Link
      key={tag}
      to="/fleet"
      search={(old: EndpointSearch) => ({ ...old, tags: [...new Set([...(old.tags ?? []), tag])] })}
      className="chip"
      title={`Filter by ${tag}`}
    >
      <Foreign text={tag} />
    </Link>
  ));
}

function Awake({ presence, awakeUntil }: EndpointRowFragment): ReactNode {
  if (presence === "OFFLINE") return null;
  return isForever(awakeUntil) ? "always" : <Ago at={awakeUntil} none="asleep" />;
}

function Pending({ name, pendingOperations }: EndpointRowFragment): ReactNode {
  if (!pendingOperations) return <span className="muted">0</span>;
  return (
    <Link to="/operations" search={{ endpoint: name, statuses: ["QUEUED", "SENDING"] }}>
      {formatNumber(pendingOperations)}
    </Link>
  );
}

/** Names, or all that match the filter. */
type Selected = ReadonlySet<string> | "all";
const NONE: ReadonlySet<string> = new Set();

export function Fleet(): ReactNode {
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const mayAct = useMay("OPERATOR");
  const { data, isCurrent, reload } = useLive(EndpointCountDocument, { filter }, { everySeconds: COUNT_SECONDS });
  const recount = useRef(reload);
  recount.current = reload;
  const { rows, refresh } = useLiveEndpoints(
    filter,
    useCallback(() => recount.current(), []),
  );
  const [selected, setSelected] = useState<Selected>(NONE);
  const filterKey = JSON.stringify(filter);
  useEffect(() => setSelected(NONE), [filterKey]);

  const count = isCurrent ? (data?.endpointCount ?? undefined) : undefined;
  const chosen = useMemo<Chosen | undefined>(() => {
    if (selected === "all") return count === undefined ? undefined : { filter, count };
    return selected.size ? { names: [...selected] } : undefined;
  }, [selected, count, filter]);
  const loaded = useMemo(
    () => (selected === "all" ? new Set(loadedRows(rows).map(keyOf)) : selected),
    [selected, rows, rows.version()],
  );
  const isFiltered = filterKey !== "{}";
  return (
    <>
      <PageHead title="Fleet">
        <For role="OPERATOR">
          <ProvisionButton onDone={refresh} />
        </For>
      </PageHead>
      <EndpointFilters filter={filter} onChange={(search) => void navigate({ search, replace: true })} />
      <div className="fleet-bar">
        <span role="status">
          {count === undefined
            ? "Counting…"
            : isFiltered
              ? `${plural(count, "endpoint matches", "endpoints match")}`
              : plural(count, "endpoint")}
        </span>
        {mayAct && (
          <div className="fleet-actions">
            {chosen && <ChosenText chosen={chosen} />}
            {selected !== "all" && !!count && (
              <button type="button" onClick={() => setSelected("all")}>
                Select all {formatNumber(count)}
                {isFiltered && " that match"}
              </button>
            )}
            {chosen && (
              <>
                <button type="button" className="quiet" onClick={() => setSelected(NONE)}>
                  Clear
                </button>
                <FleetActions
                  chosen={chosen}
                  knownTags={knownTags(rows)}
                  onDone={refresh}
                  onDeleted={() => {
                    setSelected(NONE);
                    refresh();
                  }}
                />
              </>
            )}
          </div>
        )}
      </div>
      <DataTable
        label="Endpoints"
        rows={rows}
        columns={COLUMNS}
        rowKey={keyOf}
        {...(mayAct && { selection: { keys: loaded, onChange: setSelected } })}
        empty={isFiltered ? "No endpoint matches." : "No device has registered yet, and no endpoint was provisioned."}
      />
    </>
  );
}

function loadedRows(rows: Rows<EndpointRowFragment>): EndpointRowFragment[] {
  return Array.from({ length: rows.length }, (_, index) => rows.at(index)).filter((row) => row !== undefined);
}

function knownTags(rows: Rows<EndpointRowFragment>): string[] {
  return [...new Set(loadedRows(rows).flatMap(({ tags }) => tags))].sort().slice(0, 200);
}
