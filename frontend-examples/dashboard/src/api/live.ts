/**
 * Data that stays current: read a document together with the log's cursor, follow the log after that cursor, and read again
 * where it cannot be followed (CURSOR_EXPIRED).
 *
 * Resuming after a lost connection is the duty of @reveille/client.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import { type AnyVariables, type Client, type CombinedError, type TypedDocumentNode, useClient } from "urql";

import { periodically } from "./periodic";
import { type Problem, problemOf } from "./problem";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;
/** A hidden page has no frames: its events wait no longer than this. */
const HIDDEN_MS = 1_000;

/**
 * Call `onEvents` with the events of a subscription after `after`, collected for one frame: any number of events costs one
 * render. Return a function that delivers what was collected, and ends the subscription. `onEnd` is called at most once, when
 * the server has ended it.
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
    if (events.length) onEvents(events);
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
    unsubscribe();
    deliver();
  }
  return stop;
}

/** A subscription that changes what a query returned; made by `changes`. */
export interface Changes<Data> {
  start(client: Client, after: string | null, apply: (change: (data: Data) => Data) => void, onEnd: (problem: Problem) => void): () => void;
}

/**
 * Describe how the events of a subscription change the data of a query. `change` is pure, and returns the same object if
 * nothing changes; what else is to be done with the events is the duty of `onEvents`. The subscription's variables must
 * include `after`.
 */
export function changes<Data, Event, Variables extends AnyVariables & { after?: string | null | undefined }>(
  document: TypedDocumentNode<Event, Variables>,
  variables: Omit<Variables, "after">,
  change: (data: Data, events: Event[]) => Data,
  onEvents?: (events: Event[]) => void,
): Changes<Data> {
  return {
    start: (client, after, apply, onEnd) =>
      follow(
        client,
        document,
        { ...variables, after } as unknown as Variables,
        (events) => {
          apply((data) => change(data, events));
          onEvents?.(events);
        },
        onEnd,
      ),
  };
}

export interface Live<Data> {
  /** Undefined until the first response. While other variables are read, the data of the earlier ones. */
  data: Data | undefined;
  /** Whether the data is that of the present variables. */
  isCurrent: boolean;
  problem: Problem | undefined;
  reading: boolean;
  /** Read again: now, or once the read that is under way has ended. */
  reload: () => void;
  /** Change the data here, by what was read in addition. */
  update: (change: (data: Data) => Data) => void;
}

interface State<Data> extends Pick<Live<Data>, "data" | "problem" | "reading"> {
  /** The variables of the data. */
  key: string;
}

interface Options<Data> {
  /** Cursor of the log in the data, from `transitionCursor`. Without it the data is read, and not followed. */
  cursor?: (data: Data) => string | null;
  changes?: readonly Changes<Data>[];
  /** Seconds after which the data is read again, while the page is visible: for what changes without an event. */
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
  const [state, setState] = useState<State<Data>>({ data: undefined, problem: undefined, reading: true, key: "" });
  const current = useRef(options);
  current.current = options;
  const restart = useRef(() => {});
  const key = JSON.stringify(variables);
  const paused = options.paused ?? false;

  const update = useCallback((change: (data: Data) => Data) => {
    setState((old) => {
      const data = old.data && change(old.data);
      return data === old.data ? old : { ...old, data };
    });
  }, []);

  useEffect(() => {
    if (paused) return;
    let stops: (() => void)[] = [];
    let cancelNext = () => {};
    let failures = 0;
    let stopped = false;
    let isReading = false;
    let isAgain = false;

    function unfollow() {
      for (const stop of stops.splice(0)) stop();
    }
    function later(milliseconds: number) {
      cancelNext();
      const timer = setTimeout(() => void read(), milliseconds);
      cancelNext = () => clearTimeout(timer);
    }
    /** Not while a read is under way: urql would share its response, which may be older than what it is to show. */
    async function read() {
      isAgain = isReading;
      if (isReading) return;
      isReading = true;
      cancelNext();
      setState((old) => (old.reading ? old : { ...old, reading: true }));
      const result = await client.query(document, variables).toPromise();
      isReading = false;
      if (stopped) return;
      show(result);
      if (isAgain) void read();
    }
    function show({ data, error }: { data?: Data | undefined; error?: CombinedError | undefined }) {
      cancelNext();
      const { cursor, changes: followed = [], everySeconds } = current.current;
      const follows = data && !error && cursor;
      if (follows) unfollow(); // first: what it delivers is older than the data
      const problem = error && problemOf(error);
      setState((old) => ({ data: data ?? old.data, problem, reading: false, key: data ? key : old.key }));
      if (error) return later(Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS));
      failures = 0;
      if (follows) stops = followed.map((one) => one.start(client, follows(data), update, ended));
      if (everySeconds) cancelNext = periodically(everySeconds * 1_000, read);
    }
    function ended(problem: Problem) {
      unfollow();
      if (problem.code !== "CURSOR_EXPIRED") setState((old) => ({ ...old, problem }));
      later(problem.code === "CURSOR_EXPIRED" ? 0 : FIRST_PAUSE_MS * 2 ** Math.min(failures++, 4));
    }

    restart.current = () => void read();
    void read();
    return () => {
      stopped = true;
      cancelNext();
      unfollow();
    };
  }, [client, document, key, paused, update]);

  const reload = useCallback(() => restart.current(), []);
  const { key: keyOfData, ...shown } = state;
  return { ...shown, isCurrent: keyOfData === key, reload, update };
}
