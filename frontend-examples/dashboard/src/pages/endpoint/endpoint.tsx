/** One endpoint: identity, objects with their values, history, operations, rules. */

import { getRouteApi } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useState } from "react";

import {
  EndpointPageDocument,
  type EndpointPageQuery,
  EndpointPresenceDocument,
  type EndpointPresenceSubscription,
  type OperationKind,
} from "../../api/generated";
import { changes, type Live, useLive } from "../../api/live";
import { For } from "../../api/viewer";
import { CreateOperations } from "../../components/create/create-operations";
import { PauseButton } from "../../components/pauses";
import { Failure, Foreign, Note, PageHead, PresenceBadge } from "../../components/text";
import { visible } from "../../words";
import "./endpoint.css";
import { Awake, Facts } from "./facts";
import { HistorySection } from "./history-section";
import { InPlaceProvider } from "./in-place";
import { ObjectTree } from "./object-tree";
import { Firmware, Rules } from "./rules";
import { SettingsButtons, UnknownEndpoint } from "./settings";
import { Operations, PresenceChanges } from "./timeline";
import { useValues } from "./use-values";

const route = getRouteApi("/endpoint/$name");
/** Contacts and registration updates change facts without an event. */
const EVERY_SECONDS = 10;

export function Endpoint(): ReactNode {
  const { name } = route.useParams();
  useEffect(() => {
    document.title = `${visible(name)} - Reveille`;
  }, [name]);
  return <Page key={name} name={name} />;
}

/** Number of the newest changes of the presence that the page shows at first. */
const NEWEST_CHANGES = 5;

function usePage(name: string): Live<EndpointPageQuery> {
  return useLive(
    EndpointPageDocument,
    { name },
    {
      cursor: (data) => data.transitionCursor,
      everySeconds: EVERY_SECONDS,
      changes: [changes(EndpointPresenceDocument, { endpoint: name }, withPresence)],
    },
  );
}

function withPresence(data: EndpointPageQuery, events: readonly EndpointPresenceSubscription[]): EndpointPageQuery {
  const { endpoint } = data;
  if (!endpoint) return data;
  const { edges, pageInfo } = endpoint.presenceChanges;
  const known = new Set(edges.map(({ node }) => node.cursor)); // a change may arrive again after the page was read
  const arrived = events
    .map(({ endpointPresence: { cursor, presence, at } }) => ({ node: { cursor, presence, at } }))
    .filter(({ node }) => !known.has(node.cursor));
  const all = [...arrived.reverse(), ...edges];
  const presenceChanges = {
    edges: all.slice(0, NEWEST_CHANGES),
    pageInfo: { hasNextPage: pageInfo.hasNextPage || all.length > NEWEST_CHANGES },
  };
  return { ...data, endpoint: { ...endpoint, ...events.at(-1)!.endpointPresence.endpoint, presenceChanges } };
}

function Page({ name }: { name: string }): ReactNode {
  const live = usePage(name);
  const values = useValues(name);
  const [form, setForm] = useState<{ kind?: OperationKind; path?: string }>();
  const [chosen, setChosen] = useState<readonly string[]>();
  const openForm = useCallback((kind: OperationKind, path: string) => setForm({ kind, path }), []);
  const shown = chosen ?? values.proposed;
  const onShow = useCallback(
    (path: string) => setChosen((old) => toggled(old ?? values.proposed, path)),
    [values.proposed],
  );
  const { data, problem, reload } = live;
  if (!data) return problem ? <Failure problem={problem} /> : <Note>Reading…</Note>;
  const { endpoint } = data;
  if (!endpoint) return <UnknownEndpoint name={name} onChanged={reload} />;
  return (
    <InPlaceProvider endpoint={name} onObservation={values.reload} openForm={openForm}>
      <PageHead
        title={
          <>
            <Foreign text={name} /> <PresenceBadge presence={endpoint.presence} />
          </>
        }
      >
        <Awake endpoint={endpoint} />
        <For role="OPERATOR">
          <button type="button" className="primary" onClick={() => setForm({})}>
            New operation
          </button>
          <PauseButton endpoint={name} />
        </For>
        <SettingsButtons endpoint={endpoint} onChanged={reload} />
      </PageHead>
      <Failure problem={problem ?? values.problem} />
      <Facts endpoint={endpoint} />
      <div className="endpoint-columns">
        <section className="card tree" aria-labelledby="objects">
          <h2 id="objects">Objects and values</h2>
          <ObjectTree objects={endpoint.objects} values={values.byPath} shown={new Set(shown)} onShow={onShow} />
        </section>
        <div className="endpoint-side">
          <HistorySection endpoint={name} values={values.byPath} shown={shown} onShow={onShow} />
          <section className="card" aria-labelledby="timeline">
            <h2 id="timeline">Timeline</h2>
            <PresenceChanges endpoint={name} newest={endpoint.presenceChanges} />
            <Operations endpoint={name} />
          </section>
          <section className="card" aria-labelledby="rules">
            <h2 id="rules">Rules</h2>
            <Rules observations={endpoint.observations} />
          </section>
          {endpoint.firmwareUpdate && (
            <section className="card" aria-labelledby="firmware">
              <h2 id="firmware">Firmware update</h2>
              <Firmware update={endpoint.firmwareUpdate} />
            </section>
          )}
        </div>
      </div>
      {form && <CreateOperations target={{ endpoint: name }} initial={form} onClose={() => setForm(undefined)} />}
    </InPlaceProvider>
  );
}

const toggled = (paths: readonly string[], path: string): readonly string[] =>
  paths.includes(path) ? paths.filter((one) => one !== path) : [...paths, path];
