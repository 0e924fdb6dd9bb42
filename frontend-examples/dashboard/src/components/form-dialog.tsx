/** Dialogs with a form: input errors are shown at their fields, and a question before something is done. */

import { type FormEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";

import { isUncertain, type Problem } from "../api/problem";
import { Dialog } from "./dialog";
import { type Invalid, InvalidContext, nearestField } from "./field";
import { Failure } from "./text";
import { toast } from "./toasts";

interface Props {
  title: string;
  action: string;
  children: ReactNode;
  danger?: boolean;
  wide?: boolean;
  /** Whether the browser leaves the check of the fields to `onSubmit`. */
  noValidate?: boolean;
  /** A failure that is shown from the beginning. */
  problem?: Problem | undefined;
  /** Text below a failure that may have happened after the work was done. */
  uncertain?: string;
  /** Send the input; resolves to the problem if it failed. The dialog stays open then. */
  onSubmit: (form: FormData) => Promise<Problem | undefined>;
  /** The form is left without a result. */
  onClose: () => void;
  /** It was submitted. Default: `onClose`. */
  onDone?: () => void;
}

const UNCERTAIN = "It may have been done nevertheless: look before you try again.";

export function FormDialog(props: Props): ReactNode {
  const { title, action, children, danger = false, wide = false, noValidate = false, uncertain = UNCERTAIN, onClose } = props;
  const { form, problem, invalid, running, submit, edit } = useForm(props);
  return (
    <Dialog title={title} onClose={onClose} wide={wide}>
      <InvalidContext value={invalid}>
        <form ref={form} noValidate={noValidate} onInput={edit} onSubmit={(event) => void submit(event)}>
          <div className="dialog-body">
            {children}
            {!invalid && <Failure problem={problem} />}
            {problem && isUncertain(problem) && <p>{uncertain}</p>}
          </div>
          <div className="dialog-actions">
            <button type="button" className="quiet" onClick={onClose}>
              Back
            </button>
            <button type="submit" className={danger ? "danger" : "primary"} disabled={running}>
              {action}
            </button>
          </div>
        </form>
      </InvalidContext>
    </Dialog>
  );
}

function useForm({ problem: initial, onSubmit, onClose, onDone = onClose }: Props) {
  const form = useRef<HTMLFormElement>(null);
  const isOpen = useRef(true);
  const [problem, setProblem] = useState(initial);
  const [invalid, setInvalid] = useState<Invalid>();
  const [running, setRunning] = useState(false);

  useEffect(() => {
    isOpen.current = true;
    return () => {
      isOpen.current = false;
    };
  }, []);
  useLayoutEffect(() => {
    const controls = [...form.current!.querySelectorAll<HTMLElement>("[data-field]")];
    const field = problem?.field && nearestField(problem.field, controls.map((control) => control.dataset["field"]!));
    setInvalid(field ? { field, message: problem.message } : undefined);
  }, [problem]);
  useEffect(() => {
    const control = invalid && form.current!.querySelector<HTMLElement>('[aria-invalid="true"], [data-invalid="true"]');
    control?.closest("details")?.setAttribute("open", "");
    control?.focus();
  }, [invalid]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setProblem(undefined);
    setRunning(true);
    const failed = await onSubmit(new FormData(event.currentTarget));
    if (!isOpen.current) {
      // The viewer has left the dialog meanwhile: another one may be open.
      if (failed) toast(failed.message, { bad: true });
      return;
    }
    setRunning(false);
    if (failed) setProblem(failed);
    else onDone();
  }
  const edit = () => {
    if (invalid) setProblem(undefined);
  };
  return { form, problem, invalid, running, submit, edit };
}

interface ConfirmProps {
  title: string;
  /** What will happen, with the count first. */
  children: ReactNode;
  action: string;
  danger?: boolean;
  /** Resolves to the problem, if it failed. The dialog stays open then. */
  onConfirm: () => Promise<Problem | undefined>;
  onClose: () => void;
}

/** Ask before something is done. */
export const Confirm = ({ onConfirm, ...props }: ConfirmProps): ReactNode => <FormDialog {...props} onSubmit={onConfirm} />;

interface Question extends Pick<ConfirmProps, "title" | "action" | "children"> {
  answer: (agreed: boolean) => void;
}

/** A question within other work: `ask` resolves to whether the viewer agreed. `question` must be rendered outside of forms. */
export function useQuestion(): { ask: (question: Omit<Question, "answer">) => Promise<boolean>; question: ReactNode } {
  const [asked, setAsked] = useState<Question>();
  const ask = (given: Omit<Question, "answer">) =>
    new Promise<boolean>((resolve) => {
      const answer = (agreed: boolean) => {
        setAsked(undefined);
        resolve(agreed);
      };
      setAsked({ ...given, answer });
    });
  const question = asked && (
    <Confirm
      title={asked.title}
      action={asked.action}
      danger
      onConfirm={async () => {
        asked.answer(true);
        return undefined;
      }}
      onClose={() => asked.answer(false)}
    >
      {asked.children}
    </Confirm>
  );
  return { ask, question };
}
