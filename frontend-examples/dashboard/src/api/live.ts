/**
 * Data that stays current: read a document together with the log's cursor, follow the log after that cursor, and read again
 * where it cannot be followed (CURSOR_EXPIRED).
 *
 * Resuming after a lost connection is the duty of @reveille/client.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import { type AnyVariables, type Client, type TypedDocumentNode, useClient } from "urql";

import { type Problem, problemOf } from "./problem";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;
/** A hidden page has no frames: its events wait no longer than this. */
const HIDDEN_MS = 1_000;

/**
 * Call `onEvents` with the events of a subscription after `after`, collected for one frame: any number of events costs one
 * render. Return a function that ends the subscription. `onEnd` is called at most once, when the server has ended it.
 */
export function follow<Event, Variables extends AnyVariables>(
  client: Client,
  document: TypedDocumentNode<Event, Variables>,
  variables: Variables,
  onEvents: (events: Event[]) => void,
  onEnd: (problem: Problem) => void,
): () => void {
  let waiting: Event[] = [];
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  function deliver() {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    onEvents(events);
  }
  const { unsubscribe } = client.subscription(document, variables).subscribe(({ data, error }) => {
    if (error) {
      stop();
      onEnd(problemOf(error));
    } else if (data) {
      waiting.push(data);
      if (timer) return;
      frame = requestAnimationFrame(deliver);
      timer = setTimeout(deliver, HIDDEN_MS);
    }
  });
  function stop() {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    unsubscribe();
  }
  return stop;
}

/** A subscription that changes what a query returned; made by `changes`. */
export interface Changes<Data> {
  start(client: Client, after: string | null, apply: (change: (data: Data) => Data) => void, onEnd: (problem: Problem) => void): () => void;
}

/**
 * Describe how the events of a subscription change the data of a query. `change` returns the same object if nothing changes.
 * The subscription's variables must include `after`.
 */
export function changes<Data, Event, Variables extends AnyVariables & { after?: string | null | undefined }>(
  document: TypedDocumentNode<Event, Variables>,
  variables: Omit<Variables, "after">,
  change: (data: Data, events: Event[]) => Data,
): Changes<Data> {
  return {
    start: (client, after, apply, onEnd) =>
      follow(
        client,
        document,
        { ...variables, after } as unknown as Variables,
        (events) => apply((data) => change(data, events)),
        onEnd,
      ),
  };
}

export interface Live<Data> {
  /** Undefined until the first response. While other variables are read, the data of the earlier ones. */
  data: Data | undefined;
  problem: Problem | undefined;
  reading: boolean;
  /** Read again now. */
  reload: () => void;
}

interface Options<Data> {
  /** Cursor of the log in the data, from `transitionCursor`. Without it the data is read, and not followed. */
  cursor?: (data: Data) => string | null;
  changes?: readonly Changes<Data>[];
  /** Seconds after which the data is read again: for what changes without an event. */
  everySeconds?: number;
  /** Whether nothing is to be read now. */
  paused?: boolean;
}

/** Read a document, and keep its data current. `options` may only depend on `variables`. */
export function useLive<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: Options<Data> = {},
): Live<Data> {
  const client = useClient();
  const [state, setState] = useState<Omit<Live<Data>, "reload">>({ data: undefined, problem: undefined, reading: true });
  const current = useRef(options);
  current.current = options;
  const restart = useRef(() => {});
  const key = JSON.stringify(variables);
  const paused = options.paused ?? false;

  useEffect(() => {
    if (paused) return;
    let stops: (() => void)[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let run = 0;

    function unfollow() {
      for (const stop of stops) stop();
      stops = [];
    }
    function later(milliseconds: number) {
      clearTimeout(timer);
      timer = setTimeout(() => void read(), milliseconds);
    }
    async function read() {
      const own = ++run;
      clearTimeout(timer);
      setState((old) => (old.reading ? old : { ...old, reading: true }));
      const { data, error } = await client.query(document, variables).toPromise();
      if (own !== run) return;
      const problem = error && problemOf(error);
      setState((old) => ({ data: data ?? old.data, problem, reading: false }));
      if (error) {
        later(Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS));
        return;
      }
      failures = 0;
      const { cursor, changes: followed = [], everySeconds } = current.current;
      if (data && cursor) {
        unfollow();
        stops = followed.map((one) => one.start(client, cursor(data), apply, ended));
      }
      if (everySeconds) later(everySeconds * 1_000);
    }
    function apply(change: (data: Data) => Data) {
      setState((old) => {
        const data = old.data && change(old.data);
        return data === old.data ? old : { ...old, data };
      });
    }
    function ended(problem: Problem) {
      unfollow();
      if (problem.code !== "CURSOR_EXPIRED") setState((old) => ({ ...old, problem }));
      later(problem.code === "CURSOR_EXPIRED" ? 0 : FIRST_PAUSE_MS * 2 ** Math.min(failures++, 4));
    }

    restart.current = () => void read();
    void read();
    return () => {
      run++;
      clearTimeout(timer);
      unfollow();
    };
  }, [client, document, key, paused]);

  const reload = useCallback(() => restart.current(), []);
  return { ...state, reload };
}
