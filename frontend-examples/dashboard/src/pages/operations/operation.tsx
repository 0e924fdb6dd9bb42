/** One operation: its request, its result, and its transitions as they happen. */

import "./operation.css";

import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";

import {
  OperationDocument,
  type OperationQuery,
  OperationStateDocument,
  OperationStepsDocument,
  type OperationStepsSubscription,
} from "../../api/generated";
import { changes, useLive } from "../../api/live";
import { OperationButtons } from "../../components/operation-buttons";
import { EndpointLink, Failure, Note, PageHead, PresenceBadge, Status } from "../../components/text";
import { explain, operationTitle } from "../../words";
import { Origin, Request, Result, Times } from "./operation-facts";
import { withSteps } from "./steps";
import { FIRST_STEPS, Timeline } from "./timeline";

/** `waitingFor`, and the presence of the device, may change without a transition. */
const STATE_EVERY_SECONDS = 5;

const route = getRouteApi("/operations/$id");

export function Operation(): ReactNode {
  const { id } = route.useParams();
  return <OperationWithId key={id} id={id} />;
}

function OperationWithId({ id }: { id: string }): ReactNode {
  const navigate = useNavigate();
  const steps = useMemo(
    () =>
      changes<OperationQuery, OperationStepsSubscription, { ids: string[]; after?: string | null }>(
        OperationStepsDocument,
        { ids: [id] },
        withSteps,
      ),
    [id],
  );
  const { data, problem, update } = useLive(
    OperationDocument,
    { id, first: FIRST_STEPS },
    { cursor: (data) => data.transitionCursor, changes: [steps] },
  );
  const ended = data?.deviceOperation?.finishedAt != null;
  const state = useLive(OperationStateDocument, { id }, { everySeconds: STATE_EVERY_SECONDS, paused: !data || ended }).data
    ?.deviceOperation;
  if (!data) return problem ? <Failure problem={problem} /> : <Note>Reading…</Note>;
  const read = data.deviceOperation;
  if (!read) {
    return (
      <>
        <PageHead title="Operation" />
        <Note>There is no such operation: it may have been deleted after its retention.</Note>
      </>
    );
  }
  const operation = state && state.version >= read.version ? { ...read, ...state } : read;
  return (
    <>
      <PageHead title={operationTitle(operation)}>
        <OperationButtons
          operation={operation}
          onRetried={({ id }) => void navigate({ to: "/operations/$id", params: { id } })}
        />
      </PageHead>
      <Failure problem={problem} />
      <p className="operation-state">
        <Status status={operation.status} /> {explain(operation)}
      </p>
      <p className="operation-state">
        <EndpointLink name={operation.endpoint.name} /> <PresenceBadge presence={operation.endpoint.presence} />
        <Link to="/operations" search={{ endpoint: operation.endpoint.name }}>
          All operations of this endpoint
        </Link>
      </p>
      <div className="operation-facts">
        <Request operation={operation} />
        <Result operation={operation} />
        <Times operation={operation} />
        <Origin operation={operation} />
      </div>
      <Timeline operation={operation} update={update} />
    </>
  );
}
