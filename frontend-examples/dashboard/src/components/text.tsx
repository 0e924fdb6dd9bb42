/** Small parts: badges, names, messages, buttons. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Problem } from "../api/problem";
import { presenceTone, statusTone, type Tone, visible } from "../words";

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  return <span className={`badge ${tone}`}>{children}</span>;
}

export const Status = ({ status }: { status: string }): ReactNode => <Badge tone={statusTone(status)}>{status}</Badge>;
export const PresenceBadge = ({ presence }: { presence: string }): ReactNode => (
  <Badge tone={presenceTone(presence)}>{presence}</Badge>
);

/** Text of a device or a user: isolated from the direction of the text around it, invisible characters as escapes. */
export const Foreign = ({ text }: { text: string }): ReactNode => <bdi title={visible(text)}>{visible(text)}</bdi>;

export const EndpointLink = ({ name }: { name: string }): ReactNode => (
  <Link to="/endpoint/$name" params={{ name }} className="name">
    <Foreign text={name} />
  </Link>
);

/** A text instead of data: while it is read, and where there is none. */
export const Note = ({ children }: { children: ReactNode }): ReactNode => <p className="note">{children}</p>;

export function Failure({ problem, id }: { problem: Problem | undefined; id?: string | undefined }): ReactNode {
  if (!problem) return null;
  return (
    <p className="failure" role="alert" id={id}>
      {problem.message}
    </p>
  );
}

/** A page's heading, with its actions. */
export function PageHead({ title, children }: { title: ReactNode; children?: ReactNode }): ReactNode {
  return (
    <div className="page-head">
      <h1 tabIndex={-1}>{title}</h1>
      {children && <div className="actions">{children}</div>}
    </div>
  );
}
