/** Objects, instances and resources of an endpoint with their latest values, and operations in place. */

import { type ReactNode, useMemo, useState } from "react";

import type { ResourceValueFragment } from "../../api/generated";
import { For } from "../../api/viewer";
import { Note } from "../../components/text";
import { useInPlace } from "./in-place";
import { ResourceRow } from "./resource-row";
import { buildTree, filterTree, type InstanceNode, type ObjectNode, type Registered } from "./tree";

/** An object with more instances shows them folded. */
const OPEN_INSTANCES = 4;

interface Props {
  objects: readonly Registered[];
  values: ReadonlyMap<string, ResourceValueFragment>;
  shown: ReadonlySet<string>;
  onShow: (path: string) => void;
}

export function ObjectTree({ objects, values, shown, onShow }: Props): ReactNode {
  const [text, setText] = useState("");
  const [withValue, setWithValue] = useState(false);
  const paths = [...values.keys()].join("\n");
  const tree = useMemo(() => buildTree(objects, paths ? paths.split("\n") : []), [objects, paths]);
  const found = filterTree(tree, text, ({ path }) => !withValue || values.has(path));
  const rows = { values, shown, onShow };
  return (
    <>
      <div className="filters">
        <label>
          Filter
          <input type="search" placeholder="Name or /path" value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        <label className="inline">
          <input type="checkbox" checked={withValue} onChange={(event) => setWithValue(event.target.checked)} />
          Only with a value
        </label>
      </div>
      {tree.length === 0 && <Note>No objects are known: the device has not registered yet.</Note>}
      {tree.length > 0 && found.length === 0 && <Note>Nothing matches.</Note>}
      {found.map((object) => (
        <Fold
          key={object.id}
          level={3}
          title={objectTitle(object)}
          detail={objectDetail(object)}
          isOpen={hasValue(object, values)}
          isForced={text.trim() !== ""}
          actions={<Actions path={`/${object.id}`} name={objectTitle(object)} />}
        >
          {() => <Instances object={object} isForced={text.trim() !== ""} rows={rows} />}
        </Fold>
      ))}
    </>
  );
}

const objectTitle = ({ id, name }: ObjectNode): string => name ?? `Object ${id}`;

function objectDetail({ id, name, version, instances }: ObjectNode): string {
  const count = instances.length > 1 ? `${instances.length} instances` : "";
  const unknown = name === null ? "model not known" : "";
  return [`/${id}`, version ?? "not registered", count, unknown].filter(Boolean).join(" · ");
}

const hasValue = ({ instances }: ObjectNode, values: Props["values"]): boolean =>
  instances.some(({ lines }) => lines.some(({ path }) => values.has(path)));

type RowProps = Omit<Props, "objects">;

function Instances({ object, isForced, rows }: { object: ObjectNode; isForced: boolean; rows: RowProps }): ReactNode {
  const { instances } = object;
  if (instances.length === 0) return <p className="muted">No instances.</p>;
  if (instances.length === 1) return <Lines instance={instances[0]!} {...rows} />;
  return instances.map((instance) => (
    <Fold
      key={instance.id}
      level={4}
      title={`Instance ${instance.id}`}
      detail={instance.path}
      isOpen={instances.length <= OPEN_INSTANCES}
      isForced={isForced && instances.length <= OPEN_INSTANCES}
      actions={<Actions path={instance.path} name={`${objectTitle(object)} ${instance.id}`} />}
    >
      {() => <Lines instance={instance} {...rows} />}
    </Fold>
  ));
}

function Lines({ instance, values, shown, onShow }: { instance: InstanceNode } & RowProps): ReactNode {
  if (instance.lines.length === 0) return <p className="muted">Its resources are not known: read it.</p>;
  return (
    <ul className="resources">
      {instance.lines.map((line) => (
        <ResourceRow key={line.path} line={line} value={values.get(line.path)} isShown={shown.has(line.path)} onShow={onShow} />
      ))}
    </ul>
  );
}

/** Operations on a whole object or object instance. */
function Actions({ path, name }: { path: string; name: string }): ReactNode {
  const { start } = useInPlace();
  return (
    <For role="OPERATOR">
      <button type="button" className="small" aria-label={`Read ${name}`} onClick={() => start("READ", path, name)}>
        Read
      </button>
      <button type="button" className="small" aria-label={`Observe ${name}`} onClick={() => start("OBSERVE", path, name)}>
        Observe
      </button>
    </For>
  );
}

interface FoldProps {
  level: 3 | 4;
  title: string;
  detail: string;
  isOpen: boolean;
  /** Whether it is open whatever the viewer chose, as where a filter is set. */
  isForced: boolean;
  actions: ReactNode;
  children: () => ReactNode;
}

/** A heading that shows and hides its content, which exists only while it is shown. */
function Fold({ level, title, detail, isOpen, isForced, actions, children }: FoldProps): ReactNode {
  const [chosen, setChosen] = useState<boolean>();
  const open = isForced || (chosen ?? isOpen);
  const Heading = `h${level}` as const;
  return (
    <section className={`fold level-${level}`}>
      <div className="fold-head">
        <Heading>
          <button type="button" className="quiet" aria-expanded={open} onClick={() => setChosen(!open)}>
            {title}
          </button>
        </Heading>
        <span className="muted">{detail}</span>
        <span className="actions">{actions}</span>
      </div>
      {open && children()}
    </section>
  );
}
