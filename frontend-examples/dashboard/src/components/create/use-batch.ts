/** Creation of the same operation for many endpoints, which may take several requests. */

import { useCallback, useEffect, useRef, useState } from "react";

import { CreateForDocument, CreatePieceDocument, type DeviceOperationTemplateInput, type EndpointFilter } from "../../api/generated";
import { newIdempotencyKey } from "../../api/idempotency";
import { isUncertain, type Problem } from "../../api/problem";
import { type Run, useRun } from "../../api/run";
import { toast } from "../toasts";
import { MAX_NAMES } from "./target";

export interface BatchRequest {
  /** Names of endpoints, or a filter. */
  names?: readonly string[];
  filter: EndpointFilter;
  /** Number of endpoints. The batch is refused where another one matches, except with `isMoving`. */
  count: number;
  /** Whether the operations are created for those that match then, however many. */
  isMoving?: boolean;
  input: DeviceOperationTemplateInput;
  batch: string;
}

export interface BatchState {
  request: BatchRequest;
  running: boolean;
  /** Whether the viewer has stopped it. While it also runs, its last request is under way. */
  stopped?: boolean;
  /** Why it ended before all was created, unless it was stopped. */
  problem?: Problem | undefined;
  /** Set at its end. */
  result?: { created: number; passedOver: number };
}

interface BatchRun {
  state: BatchState | undefined;
  /** Begin, or continue where it stopped. Resolves to a problem if nothing was created, so that the request can be changed. */
  start: (request: BatchRequest) => Promise<Problem | undefined>;
  /** Send no further request. What was created remains. */
  stop: () => void;
}

export function useBatch(): BatchRun {
  const run = useRun();
  const [state, setState] = useState<BatchState>();
  const isOpen = useRef(true);
  const isStopped = useRef(false);
  const pieces = useRef<Pieces>(undefined);
  useEffect(() => {
    isOpen.current = true;
    return () => {
      isOpen.current = false;
      isStopped.current = true;
    };
  }, []);

  const start = useCallback(
    async (request: BatchRequest) => {
      isStopped.current = false;
      setState({ request, running: true });
      const inPieces = (request.names?.length ?? 0) > MAX_NAMES;
      if (inPieces && pieces.current?.request !== request) pieces.current = { request, key: newIdempotencyKey(), next: 0, created: 0 };
      const outcome = inPieces ? await createPieces(run, pieces.current!, isStopped) : await createFor(run, request, isStopped);
      if (!isOpen.current && !("created" in outcome)) {
        const why = "problem" in outcome ? outcome.problem.message : "the page was left.";
        toast(`Batch ${request.batch} is not complete: ${why}`, { bad: true });
      }
      if ("created" in outcome) {
        setState({ request, running: false, result: outcome });
        return undefined;
      }
      if ("stopped" in outcome) {
        setState({ request, running: false, stopped: true });
        return undefined;
      }
      const isRefused = !isUncertain(outcome.problem) && !outcome.begun;
      setState(isRefused ? undefined : { request, running: false, problem: outcome.problem });
      return isRefused ? outcome.problem : undefined;
    },
    [run],
  );
  const stop = useCallback(() => {
    isStopped.current = true;
    setState((old) => old && { ...old, stopped: true });
  }, []);
  return { state, start, stop };
}

type Outcome = { created: number; passedOver: number } | { problem: Problem; begun: boolean } | { stopped: true };

/** A mutation ends after some seconds with the number so far, and is repeated for the rest. */
export async function createFor(run: Run, request: BatchRequest, isStopped: { current: boolean }): Promise<Outcome> {
  const { filter, input, batch } = request;
  const expectedCount = request.isMoving ? null : request.count;
  let done = -1;
  for (;;) {
    const { data, problem } = await run(CreateForDocument, { filter, input, batch, expectedCount });
    if (data?.createDeviceOperationsFor) return data.createDeviceOperationsFor;
    const failed = problem ?? { code: "INTERNAL", message: "The server sent no result." };
    const isFurther = failed.code === "UNAVAILABLE" && (failed.done ?? -1) > done;
    done = Math.max(done, failed.done ?? -1);
    if (!isFurther) return { problem: failed, begun: done > 0 };
    if (isStopped.current) return { stopped: true };
  }
}

export interface Pieces {
  request: BatchRequest;
  key: string;
  /** Index of the first name that has no operation yet. */
  next: number;
  created: number;
}

export async function createPieces(run: Run, pieces: Pieces, isStopped: { current: boolean }): Promise<Outcome> {
  const { request, key } = pieces;
  const names = request.names!;
  while (pieces.next < names.length) {
    if (isStopped.current) return { stopped: true };
    const piece = names.slice(pieces.next, pieces.next + MAX_NAMES);
    const inputs = piece.map((endpoint) => ({ ...request.input, endpoint, batch: request.batch, idempotencyKey: key }));
    const { data, problem } = await run(CreatePieceDocument, { inputs });
    if (problem) {
      const at = problem.index === undefined ? undefined : piece[problem.index];
      const named = at === undefined ? problem : { ...problem, message: `${at}: ${problem.message}` };
      return { problem: named, begun: pieces.next > 0 };
    }
    pieces.next += piece.length;
    pieces.created += data.createDeviceOperations?.length ?? 0;
  }
  return { created: pieces.created, passedOver: 0 };
}
