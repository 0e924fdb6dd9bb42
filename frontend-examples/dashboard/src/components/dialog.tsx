/** Dialogs: the browser's own, which traps focus, closes on Escape and returns the focus. */

import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

import { Toasts } from "./toasts";

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
  // Before the element is removed, so that the browser returns the focus.
  useLayoutEffect(() => {
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
        if (event.target !== event.currentTarget) return; // a file chooser was left
        event.preventDefault();
        onClose();
      }}
      // The browser closes it itself at a second Escape in a row.
      onClose={() => element.current?.open === false && onClose()}
    >
      <h2 id={id}>{title}</h2>
      {children}
      <Toasts />
    </dialog>
  );
}

/** The buttons of a dialog that has no form. */
export function DialogActions({
  close = "Close",
  onClose,
  children,
}: {
  close?: string;
  onClose: () => void;
  children?: ReactNode;
}): ReactNode {
  return (
    <div className="dialog-actions">
      <button type="button" className="quiet" onClick={onClose}>
        {close}
      </button>
      {children}
    </div>
  );
}
