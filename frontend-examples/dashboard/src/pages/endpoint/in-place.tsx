/** Operations that are created beside the resource they concern. */

import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";

import {
  CreateOneDocument,
  type OperationKind,
  type OperationRowFragment,
  PendingOperationsDocument,
  type PendingOperationsQuery,
  TransitionsDocument,
  type TransitionsSubscription,
} from "../../api/generated";
import { newIdempotencyKey } from "../../api/idempotency";
import { changes, useLive } from "../../api/live";
import { isUncertain, type Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { danger } from "../../components/create/kinds";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { toast } from "../../components/toasts";

/** Operations that have ended are dropped beyond this number. */
const KEPT = 300;

interface InPlace {
  /** Newest operation of each path since the page was opened, or that has not ended. */
  newest: ReadonlyMap<string, OperationRowFragment>;
  /** Create an operation at once, or after a question where its effect cannot be undone. */
  start: (kind: OperationKind, path: string, name: string) => void;
  /** Open the form for an operation with a value. */
  openForm: (kind: OperationKind, path: string) => void;
}

const InPlaceContext = createContext<InPlace>({ newest: new Map(), start: () => {}, openForm: () => {} });
export const useInPlace = (): InPlace => useContext(InPlaceContext);

interface Props {
  endpoint: string;
  onObservation: () => void;
  openForm: InPlace["openForm"];
  children: ReactNode;
}

/** `onObservation` is called when an observation began or ended. */
export function InPlaceProvider({ endpoint, onObservation, openForm, children }: Props): ReactNode {
  const run = useRun();
  const keys = useRef(new Map<string, string>());
  const [asked, setAsked] = useState<{ path: string; name: string }>();
  const newest = useNewest(endpoint, onObservation);

  const create = useCallback(
    async (kind: OperationKind, path: string, given?: string): Promise<Problem | undefined> => {
      const request = `${kind} ${path} ${given ?? ""}`;
      // Where it is not certain that the operation was created, pressing again must not create another one.
      const idempotencyKey = keys.current.get(request) ?? newIdempotencyKey();
      keys.current.set(request, idempotencyKey);
      const input = { endpoint, kind, path, idempotencyKey, ...(given && { arguments: given }) };
      const { problem } = await run(CreateOneDocument, { input });
      if (!problem || !isUncertain(problem)) keys.current.delete(request);
      return problem;
    },
    [run, endpoint],
  );

  const start = useCallback(
    (kind: OperationKind, path: string, name: string) => {
      if (kind === "EXECUTE") return setAsked({ path, name });
      void create(kind, path).then((problem) => problem && toast(`${kind} ${path}: ${problem.message}`, { bad: true }));
    },
    [create],
  );
  const value = useMemo(() => ({ newest, start, openForm }), [newest, start, openForm]);
  return (
    <InPlaceContext value={value}>
      {children}
      {asked && (
        <ExecuteDialog {...asked} before={newest.get(asked.path)} create={create} onClose={() => setAsked(undefined)} />
      )}
    </InPlaceContext>
  );
}

interface ExecuteProps {
  path: string;
  name: string;
  before: OperationRowFragment | undefined;
  create: (kind: OperationKind, path: string, given?: string) => Promise<Problem | undefined>;
  onClose: () => void;
}

function ExecuteDialog({ path, name, before, create, onClose }: ExecuteProps): ReactNode {
  const execute = (form: FormData) => create("EXECUTE", path, String(form.get("arguments")).trim());
  return (
    <FormDialog title={`Execute ${name}`} action="Execute" danger onSubmit={execute} onClose={onClose}>
      <p>
        EXECUTE {path}. {danger({ kind: "EXECUTE", path }) ?? "The device acts when it receives this."}
      </p>
      {before?.kind === "EXECUTE" && (
        <p>The same was requested before: it is {before.status}. The device would execute it once more.</p>
      )}
      <Field name="arguments" label="Arguments (optional)">
        {(control) => <input {...control} name="arguments" placeholder="0='a',1" />}
      </Field>
    </FormDialog>
  );
}

function useNewest(endpoint: string, onObservation: () => void): ReadonlyMap<string, OperationRowFragment> {
  const observed = useRef(onObservation);
  observed.current = onObservation;
  const { data } = useLive(
    PendingOperationsDocument,
    { name: endpoint },
    {
      cursor: (data) => data.transitionCursor,
      changes: [
        changes(TransitionsDocument, { endpoint }, merged, (events) => {
          if (events.some(changesObservation)) observed.current();
        }),
      ],
    },
  );
  return useMemo(() => {
    const newest = new Map<string, OperationRowFragment>();
    for (const { node } of data?.endpoint?.operations.edges ?? []) {
      for (const path of node.paths) if (!newest.has(path)) newest.set(path, node);
    }
    return newest;
  }, [data]);
}

const changesObservation = ({ operationTransitions: { toStatus, operation } }: TransitionsSubscription): boolean =>
  toStatus === "CONFIRMED" && operation.kind.includes("OBSERVE");

/** Put the operations of transitions into the list, newest first. */
function merged(data: PendingOperationsQuery, events: readonly TransitionsSubscription[]): PendingOperationsQuery {
  if (!data.endpoint) return data;
  const nodes = new Map(data.endpoint.operations.edges.map(({ node }) => [node.id, node]));
  for (const { operation } of events.map((event) => event.operationTransitions)) {
    if ((nodes.get(operation.id)?.version ?? 0) < operation.version) nodes.set(operation.id, operation);
  }
  const newestFirst = [...nodes.values()].sort((left, right) => right.createdAt.localeCompare(left.createdAt));
  const edges = newestFirst.filter(({ finishedAt }, index) => finishedAt === null || index < KEPT).map((node) => ({ node }));
  return { ...data, endpoint: { ...data.endpoint, operations: { ...data.endpoint.operations, edges } } };
}
