/** What is shown in the place of a page that could not be loaded, or that failed. */

import type { ErrorComponentProps } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";

import { connection } from "../api/session";
import { useStore } from "../api/store";

/** The file of a page did not arrive. */
export class PageNotLoaded extends Error {}

export function PageError({ error }: ErrorComponentProps): ReactNode {
  const state = useStore(connection);
  const isLive = state === "live";
  const wasLost = useRef(false);
  useEffect(() => {
    // A browser may remember that a file did not arrive: only a reload requests it again.
    if (isLive && wasLost.current) location.reload();
    wasLost.current = !isLive;
  }, [isLive]);
  return (
    <div className="note" role="alert">
      <p>{explanation(error, isLive)}</p>
      <button type="button" onClick={() => location.reload()}>
        Reload
      </button>
    </div>
  );
}

function explanation(error: unknown, isLive: boolean): string {
  if (!(error instanceof PageNotLoaded)) return `This page failed: ${error instanceof Error ? error.message : String(error)}`;
  if (isLive) return "This page could not be loaded. The server may have a newer version of it.";
  return "This page could not be loaded: the server cannot be reached. The page is loaded as soon as the server responds.";
}
