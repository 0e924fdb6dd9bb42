/** The frame of a list's filters: some always shown, others on demand; on a narrow screen all of them on demand. */

import { type ReactNode, useState } from "react";

interface Props {
  /** Names of the filters that are set. */
  set: readonly string[];
  /** Names of those in `more`. */
  moreNames: readonly string[];
  more: ReactNode;
  children: ReactNode;
  onReset: () => void;
}

export function Filters({ set, moreNames, more, children, onReset }: Props): ReactNode {
  const setMore = set.filter((name) => moreNames.includes(name)).length;
  const [isOpen, setOpen] = useState(false);
  const [isMoreOpen, setMoreOpen] = useState(setMore > 0);
  return (
    <search className={isOpen ? "filters" : "filters closed"} aria-label="Filters">
      <button type="button" className="narrow-only" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? "Hide filters" : set.length ? `Filters (${set.length} set)` : "Filters"}
      </button>
      {children}
      {isMoreOpen && more}
      <button type="button" className="quiet" aria-expanded={isMoreOpen} onClick={() => setMoreOpen(!isMoreOpen)}>
        {isMoreOpen ? "Fewer filters" : setMore ? `More filters (${setMore} set)` : "More filters"}
      </button>
      {set.length > 0 && (
        <button type="button" className="quiet" onClick={onReset}>
          Reset
        </button>
      )}
    </search>
  );
}
