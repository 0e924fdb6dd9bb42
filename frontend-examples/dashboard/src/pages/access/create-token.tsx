/** The form for a new token, and its secret, which is shown once. */

import { type ReactNode, useState } from "react";

import { CreateTokenDocument, type Role } from "../../api/generated";
import type { Problem } from "../../api/problem";
import { useRun } from "../../api/run";
import { replaceToken, setToken } from "../../api/session";
import { useViewer } from "../../api/viewer";
import { Dialog } from "../../components/dialog";
import { Field } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { Foreign } from "../../components/text";
import { toast } from "../../components/toasts";

const DAY_MS = 86_400_000;
const DURATIONS = [
  { days: 0, text: "Does not expire" },
  { days: 1, text: "In 1 day" },
  { days: 30, text: "In 30 days" },
  { days: 90, text: "In 90 days" },
  { days: 365, text: "In 365 days" },
];

interface Props {
  onCreated: () => void;
  onClose: () => void;
}

export function CreateToken({ onCreated, onClose }: Props): ReactNode {
  const run = useRun();
  const isOpen = useViewer() === null;
  const [created, setCreated] = useState<Created>();

  async function create(form: FormData): Promise<Problem | undefined> {
    const days = Number(form.get("days"));
    const name = String(form.get("name"));
    const { data, problem } = await run(CreateTokenDocument, {
      name,
      role: String(form.get("role")) as Role,
      expiresAt: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null,
    });
    const secret = data?.createApiToken?.secret;
    if (!secret) return problem;
    if (isOpen) setToken(secret); // the first token ends open access, also for this page
    setCreated({ name, secret, replaced: isOpen });
    onCreated();
    return undefined;
  }

  if (created) return <Secret {...created} onClose={onClose} />;
  return (
    <FormDialog title="New token" action="Create" onSubmit={(form) => replaceToken(() => create(form))} onDone={() => {}} onClose={onClose}>
      <Field name="name" label="Name of the bearer">
        {(control) => <input {...control} name="name" required maxLength={255} />}
      </Field>
      <label>
        Role
        <select name="role" defaultValue={isOpen ? "ADMIN" : "OPERATOR"}>
          <option value="VIEWER">VIEWER: reads everything</option>
          <option value="OPERATOR">OPERATOR: also creates and cancels operations</option>
          <option value="ADMIN">ADMIN: also manages tokens and reads the audit</option>
        </select>
      </label>
      <label>
        Expires
        <select name="days" defaultValue="90">
          {DURATIONS.map(({ days, text }) => (
            <option key={days} value={days}>
              {text}
            </option>
          ))}
        </select>
      </label>
      {isOpen && <p>Access is open now. The first token ends this for every caller; this page continues with the new token.</p>}
    </FormDialog>
  );
}

interface Created {
  name: string;
  secret: string;
  /** Whether this tab uses it from now on. */
  replaced: boolean;
}

function Secret({ name, secret, replaced, onClose }: Created & { onClose: () => void }): ReactNode {
  async function copy() {
    try {
      await navigator.clipboard.writeText(secret);
      toast("Copied.");
    } catch {
      toast("The browser does not permit copying: select the text.", { bad: true });
    }
  }
  return (
    <Dialog title="Token created" onClose={onClose}>
      <div className="dialog-body">
        <p>
          The secret of <Foreign text={name} /> is shown this once. Send it as <code>Authorization: Bearer</code>.
        </p>
        <label>
          Secret
          <input className="mono" readOnly value={secret} onFocus={(event) => event.target.select()} />
        </label>
        {replaced && <p>This tab uses it from now on.</p>}
      </div>
      <div className="dialog-actions">
        <button type="button" onClick={() => void copy()}>
          Copy
        </button>
        <button type="button" className="primary" onClick={onClose}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
