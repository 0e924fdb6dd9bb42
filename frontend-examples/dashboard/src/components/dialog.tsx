/** Dialogs: the browser's own, which traps focus, closes on Escape and returns the focus. */

import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";

import type { Problem } from "../api/problem";
import { Failure } from "./text";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** A modal dialog, open as long as it is rendered. */
export function Dialog({ title, onClose, children, wide = false }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element}
      className={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What will happen, with the count first. */
  children: ReactNode;
  action: string;
  danger?: boolean;
  /** Resolves to the problem, if it failed. The dialog stays open then. */
  onConfirm: (form: FormData) => Promise<Problem | undefined>;
  onClose: () => void;
}

/** Ask before something is done; fields among the children are handed over as form data. */
export function Confirm({ title, children, action, danger = false, onConfirm, onClose }: ConfirmProps): ReactNode {
  const [problem, setProblem] = useState<Problem>();
  const [running, setRunning] = useState(false);
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setRunning(true);
    const failed = await onConfirm(new FormData(event.currentTarget));
    setRunning(false);
    if (failed) setProblem(failed);
    else onClose();
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div className="dialog-body">{children}</div>
        <Failure problem={problem} />
        <div className="dialog-actions">
          <button type="button" className="quiet" onClick={onClose}>
            Back
          </button>
          <button type="submit" className={danger ? "danger" : "primary"} disabled={running}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
