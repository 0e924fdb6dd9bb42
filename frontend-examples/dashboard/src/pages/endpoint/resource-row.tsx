/** One resource: its name, latest value and age, what it permits, and its newest operation. */

import { Link } from "@tanstack/react-router";
import { memo, type ReactNode } from "react";

import type { OperationKind, OperationRowFragment, ResourceValueFragment } from "../../api/generated";
import { For } from "../../api/viewer";
import { Foreign, Status } from "../../components/text";
import { Ago } from "../../components/time";
import { explain, valueText } from "../../words";
import { useInPlace } from "./in-place";
import { lineName, permits, type ResourceLine } from "./tree";

interface Props {
  line: ResourceLine;
  value: ResourceValueFragment | undefined;
  /** Whether the history shows the resource. */
  isShown: boolean;
  onShow: (path: string) => void;
}

export const ResourceRow = memo(function ResourceRow({ line, value, isShown, onShow }: Props): ReactNode {
  const name = lineName(line);
  const { path, model } = line;
  return (
    <li className="resource">
      <span className="resource-name" title={model?.range ? `Range: ${model.range}` : undefined}>
        <Foreign text={name} /> <span className="muted mono">{path}</span>
      </span>
      <span className="resource-value">
        {value && <Value value={value} units={value.units ?? model?.units ?? null} />}
        {!value && permits(line, "R") && <span className="muted">not read yet</span>}
      </span>
      <span className="resource-age muted">{value && <Ago at={value.at} />}</span>
      <span className="resource-type muted" title={typeTitle(line)}>
        {[model?.type ?? value?.type, model?.operations].filter(Boolean).join(" ")}
      </span>
      <span className="resource-actions">
        <Newest path={path} />
        <Actions line={line} name={name} isObserved={value?.observed ?? false} />
        {value && (
          <button
            type="button"
            className="small"
            aria-pressed={isShown}
            aria-label={`History of ${name} ${path}`}
            onClick={() => onShow(path)}
          >
            History
          </button>
        )}
      </span>
    </li>
  );
});

function typeTitle({ model }: ResourceLine): string | undefined {
  if (!model) return "The model is not known";
  const letters: Record<string, string> = { R: "readable", W: "writable", E: "executable" };
  return [...model.operations].map((letter) => letters[letter]).join(", ") + (model.multiple ? ", several instances" : "");
}

function Value({
  value: { value, type, observed, timeSource },
  units,
}: {
  value: ResourceValueFragment;
  units: string | null;
}): ReactNode {
  const text = valueText(value);
  return (
    <>
      <span className={type === "STRING" ? "" : "mono"}>
        <Foreign text={text === "" ? '""' : text} />
      </span>
      {units && <span className="muted"> {units}</span>}
      {observed && (
        <span
          className="badge active"
          title={`Changes are reported${timeSource === "DEVICE" ? ", with the device's time" : ""}.`}
        >
          observed
        </span>
      )}
    </>
  );
}

/** The newest operation on the resource, which the page has seen. */
function Newest({ path }: { path: string }): ReactNode {
  const operation = useInPlace().newest.get(path);
  return operation ? <NewestLink operation={operation} /> : null;
}

const NewestLink = ({ operation }: { operation: OperationRowFragment }): ReactNode => (
  <Link to="/operations/$id" params={{ id: operation.id }} title={explain(operation)} className="newest">
    {operation.kind.toLowerCase().replaceAll("_", " ")} <Status status={operation.status} />
  </Link>
);

function Actions({ line, name, isObserved }: { line: ResourceLine; name: string; isObserved: boolean }): ReactNode {
  const { start, openForm } = useInPlace();
  const { path } = line;
  const action = (kind: OperationKind, word: string, act = () => start(kind, path, name)) => (
    <button key={kind} type="button" className="small" aria-label={`${word} ${name} ${path}`} onClick={act}>
      {word}
    </button>
  );
  return (
    <For role="OPERATOR">
      {permits(line, "R") && action("READ", "Read")}
      {permits(line, "W") && action("WRITE", "Write", () => openForm("WRITE", path))}
      {permits(line, "E") && action("EXECUTE", "Execute")}
      {permits(line, "R") && (isObserved ? action("CANCEL_OBSERVE", "Cancel observation") : action("OBSERVE", "Observe"))}
    </For>
  );
}
