/** Facts of an endpoint: reachability, contacts, registration. */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { EndpointFactsFragment } from "../../api/generated";
import { Badge, Foreign } from "../../components/text";
import { Ago, At } from "../../components/time";
import { durationText, isForever } from "../../times";
import { plural } from "../../words";

export function Facts({ endpoint }: { endpoint: EndpointFactsFragment }): ReactNode {
  const { registration } = endpoint;
  return (
    <div className="card facts-columns">
      <dl className="facts">
        <Fact name="Last seen">
          <Ago at={endpoint.lastSeenAt} />
        </Fact>
        <Fact name="Next contact by">
          <Ago at={endpoint.nextContactBy} none="not known" /> {endpoint.overdue && <Badge tone="warn">overdue</Badge>}
        </Fact>
        <Fact name="Usual interval">{secondsText(endpoint.usualContactIntervalSeconds, "not known yet")}</Fact>
        <Fact name="First seen">
          <At at={endpoint.firstSeenAt} none="never" />
        </Fact>
      </dl>
      <dl className="facts">
        <Fact name="Tags">
          <Tags tags={endpoint.tags} />
        </Fact>
        <Fact name="Awake window">{secondsText(endpoint.awakeWindowSeconds, "default")}</Fact>
        <Fact name="Pending">
          <Pending endpoint={endpoint} />
        </Fact>
      </dl>
      {registration ? <RegistrationFacts registration={registration} /> : <p className="muted">Not registered.</p>}
    </div>
  );
}

function RegistrationFacts({ registration }: { registration: NonNullable<EndpointFactsFragment["registration"]> }): ReactNode {
  const { registrationId, registeredAt, lastUpdateAt, lifetimeSeconds, lwm2mVersion, bindingMode, queueMode, address } =
    registration;
  return (
    <dl className="facts">
      <Fact name="Registered">
        <Ago at={registeredAt} />, updated <Ago at={lastUpdateAt} />
      </Fact>
      <Fact name="Lifetime">{secondsText(lifetimeSeconds, "not known")}</Fact>
      <Fact name="LwM2M">
        {[lwm2mVersion ?? "version not known", bindingMode && `binding ${bindingMode}`, queueText(queueMode)]
          .filter(Boolean)
          .join(", ")}
      </Fact>
      <Fact name="Address">{address ? <Foreign text={address} /> : <span className="muted">not known</span>}</Fact>
      <Fact name="Registration id">
        {registrationId ? <Foreign text={registrationId} /> : <span className="muted">not known</span>}
      </Fact>
    </dl>
  );
}

const queueText = (queueMode: boolean | null): string => (queueMode === false ? "always listens" : "queue mode");

function Fact({ name, children }: { name: string; children: ReactNode }): ReactNode {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Pending({ endpoint: { name, pendingOperations } }: { endpoint: EndpointFactsFragment }): ReactNode {
  if (!pendingOperations) return <span className="muted">none</span>;
  return (
    <Link to="/operations" search={{ endpoint: name, statuses: ["QUEUED", "SENDING"] }}>
      {plural(pendingOperations, "operation")}
    </Link>
  );
}

const secondsText = (seconds: number | null, none: string): ReactNode =>
  seconds === null ? <span className="muted">{none}</span> : durationText(seconds);

function Tags({ tags }: { tags: readonly string[] }): ReactNode {
  if (!tags.length) return <span className="muted">none</span>;
  return (
    <span className="tags">
      {tags.map((tag) => (
        <Badge key={tag} tone="idle">
          <Foreign text={tag} />
        </Badge>
      ))}
    </span>
  );
}

const DEFAULT_WINDOW = "By the default awake window: the device may sleep earlier. Its own one is set in its settings.";

/** The time until which the device is assumed to listen. */
export function Awake({ endpoint: { awakeUntil, awakeWindowSeconds } }: { endpoint: EndpointFactsFragment }): ReactNode {
  if (awakeUntil === null) return null;
  if (isForever(awakeUntil)) return <span className="muted">listens always</span>;
  const isDefault = awakeWindowSeconds === null;
  return (
    <span className="muted" title={isDefault ? DEFAULT_WINDOW : undefined}>
      {isDefault ? "assumed awake until" : "awake until"} <At at={awakeUntil} clock />
    </span>
  );
}
