/** All facts of one operation, in groups. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { Foreign, Status } from "../../components/text";
import { Ago, At } from "../../components/time";
import { deliveryText, formatNumber, operationTitle, reasonText, valueText, visible } from "../../words";
import type { Details } from "./steps";

interface Props {
  operation: Details;
}

function Group({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="facts">{children}</dl>
    </section>
  );
}

/** One fact; nothing if there is none. */
function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  if (children === null || children === undefined || children === "") return null;
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const yesNo = (value: boolean): string => (value ? "yes" : "no");
const text = (value: string | null): ReactNode => value !== null && <Foreign text={value} />;

export function Request({ operation }: Props): ReactNode {
  const { kind, paths, valueType, value, values, replace, attributes, format, timeoutSeconds } = operation;
  return (
    <Group title="Request">
      <Fact name="Kind">{kind}</Fact>
      <Fact name={paths.length > 1 ? "Paths" : "Path"}>{paths.length ? <span className="mono">{paths.join(", ")}</span> : null}</Fact>
      <Fact name="Value">{value === null || value === undefined ? null : <Value value={value} />}</Fact>
      <Fact name="Type">{valueType}</Fact>
      <Fact name="Values">{values ? <Value value={values} /> : null}</Fact>
      <Fact name="Arguments">{text(operation.arguments) || null}</Fact>
      <Fact name="Attributes">{attributes ? <Value value={attributes} /> : null}</Fact>
      <Fact name="Replaces its target">{replace === null ? null : yesNo(replace)}</Fact>
      <Fact name="Content format">{format}</Fact>
      <Fact name="Time-out">{timeoutSeconds} s</Fact>
    </Group>
  );
}

export function Result({ operation }: Props): ReactNode {
  const { status, reason, detail, deviceStatus, delivery, answer, attempts, maxAttempts, deliveryAttempts } = operation;
  return (
    <Group title="Result">
      <Fact name="Status">
        <Status status={status} />
      </Fact>
      <Fact name="Reason">{reason && <span title={reason}>{reasonText(reason)}</span>}</Fact>
      <Fact name="Detail">{text(detail) || null}</Fact>
      <Fact name="Device's response">{text(deviceStatus) || null}</Fact>
      <Fact name="Answer">{answer === null || answer === undefined ? null : <Value value={answer} />}</Fact>
      <Fact name="Delivery">{deliveryText(delivery)}</Fact>
      <Fact name="Attempts">
        {formatNumber(deliveryAttempts)}
        {attempts > 0 && `, of which ${formatNumber(attempts)} failed`} (at most {formatNumber(maxAttempts)} may fail)
      </Fact>
    </Group>
  );
}

export function Times({ operation }: Props): ReactNode {
  const { createdAt, notBefore, expiresAt, lastAttemptAt, finishedAt } = operation;
  const time = (at: string | null): ReactNode =>
    at && (
      <>
        <At at={at} /> <span className="muted">(<Ago at={at} />)</span>
      </>
    );
  return (
    <Group title="Times">
      <Fact name="Created">{time(createdAt)}</Fact>
      <Fact name="Not before">{time(notBefore)}</Fact>
      <Fact name="Last attempt">{time(lastAttemptAt)}</Fact>
      <Fact name="Ended">{time(finishedAt)}</Fact>
      <Fact name={finishedAt ? "Would have expired" : "Expires"}>{time(expiresAt)}</Fact>
    </Group>
  );
}

export function Origin({ operation }: Props): ReactNode {
  const { id, createdBy, batch, sequence, priority, repeatable, validated, idempotencyKey, retryOf } = operation;
  return (
    <Group title="Origin">
      <Fact name="Created by">
        {createdBy && (
          <Link to="/operations" search={{ createdBy }}>
            <Foreign text={createdBy} />
          </Link>
        )}
      </Fact>
      <Fact name="Retry of">
        {retryOf && (
          <>
            <Link to="/operations/$id" params={{ id: retryOf.id }}>
              {operationTitle(retryOf)}
            </Link>{" "}
            <Status status={retryOf.status} /> <At at={retryOf.createdAt} />
          </>
        )}
      </Fact>
      <Fact name="Batch">
        {batch && (
          <Link to="/operations" search={{ batch }}>
            <Foreign text={batch} />
          </Link>
        )}
      </Fact>
      <Fact name="Sequence">{text(sequence) || null}</Fact>
      <Fact name="Priority">{String(priority)}</Fact>
      <Fact name="Repeatable">{yesNo(repeatable)}</Fact>
      <Fact name="Validated">{validated ? "yes" : "no: not checked against an object model"}</Fact>
      <Fact name="Idempotency key">{text(idempotencyKey) || null}</Fact>
      <Fact name="Id">
        <span className="mono">{id}</span>
      </Fact>
    </Group>
  );
}

/** Values by path, or one value. */
function Value({ value }: { value: unknown }): ReactNode {
  const entries = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (!entries.some(([name]) => name.startsWith("/"))) return <span className="value">{visible(valueText(value))}</span>;
  return (
    <table className="values">
      <tbody>
        {entries.map(([path, one]) => (
          <tr key={path}>
            <th scope="row" className="mono">
              {path}
            </th>
            <td className="value">{visible(valueText(one))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
