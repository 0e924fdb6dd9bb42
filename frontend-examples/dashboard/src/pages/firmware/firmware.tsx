/** Firmware: packages, and the updates of single devices. */

import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import { DeletePackageDocument, type PackageFragment, PackagesDocument } from "../../api/generated";
import { useLive } from "../../api/live";
import { useRun } from "../../api/run";
import { For } from "../../api/viewer";
import { Confirm } from "../../components/form-dialog";
import { Failure, Foreign, Note, PageHead } from "../../components/text";
import { Created } from "../../components/time";
import { toast } from "../../components/toasts";
import { formatNumber } from "../../words";
import { PackageForm } from "./package-form";
import { UpdateForm } from "./update-form";
import { Updates } from "./updates";
import "./firmware.css";

type Asking = { what: "add" } | { what: "update" | "delete"; one: PackageFragment };

export function Firmware(): ReactNode {
  const { data, problem, reload } = useLive(PackagesDocument, {}, { everySeconds: 10 });
  const [asking, setAsking] = useState<Asking>();
  const [begun, setBegun] = useState(0);
  const run = useRun();
  const close = () => setAsking(undefined);
  async function remove({ id, name, version }: PackageFragment) {
    const { problem: failed } = await run(DeletePackageDocument, { id });
    if (failed) return failed;
    toast(`${name} ${version} is deleted.`);
    reload();
    return undefined;
  }
  return (
    <>
      <PageHead title="Firmware">
        <For role="OPERATOR">
          <button type="button" className="primary" onClick={() => setAsking({ what: "add" })}>
            New package
          </button>
        </For>
      </PageHead>
      <Failure problem={problem} />
      {data?.firmwarePackages && (
        <PackageList
          packages={data.firmwarePackages}
          onUpdate={(one) => setAsking({ what: "update", one })}
          onDelete={(one) => setAsking({ what: "delete", one })}
        />
      )}
      <Updates begun={begun} />
      {asking?.what === "add" && <PackageForm onDone={reload} onClose={close} />}
      {asking?.what === "update" && <UpdateForm package={asking.one} onDone={() => setBegun(begun + 1)} onClose={close} />}
      {asking?.what === "delete" && (
        <Confirm title="Delete the package?" action="Delete" danger onConfirm={() => remove(asking.one)} onClose={close}>
          <p>
            <Foreign text={`${asking.one.name} ${asking.one.version}`} /> is removed from the list
            {asking.one.size !== null && ", and its content is deleted"}. Updates that have ended continue to show it.
          </p>
        </Confirm>
      )}
    </>
  );
}

interface ListProps {
  packages: readonly PackageFragment[];
  onUpdate: (one: PackageFragment) => void;
  onDelete: (one: PackageFragment) => void;
}

function PackageList({ packages, onUpdate, onDelete }: ListProps): ReactNode {
  if (!packages.length) return <Note>No package yet. Upload a file, or give the address of one that devices download from.</Note>;
  return (
    <div className="card scroll-x">
      <table className="list">
        <caption className="visually-hidden">Packages</caption>
        <thead>
          <tr>
            <th scope="col">Package</th>
            <th scope="col">Version</th>
            <th scope="col" className="num wide-only">
              Size
            </th>
            <th scope="col" className="wide-only">
              Address
            </th>
            <th scope="col" className="wide-only">
              Added
            </th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {packages.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                <Foreign text={one.name} />
              </th>
              <td>
                <Foreign text={one.version} />
              </td>
              <td className="num wide-only">
                {one.size === null ? <span className="muted">unknown</span> : `${formatNumber(Number(one.size))} B`}
              </td>
              <td className="wide-only address" title={one.sha256 ? `SHA-256: ${one.sha256}` : undefined}>
                {one.uri === null ? <span className="muted">stored here, pushed only</span> : <Foreign text={one.uri} />}
              </td>
              <td className="wide-only">
                <Created of={one} />
              </td>
              <td>
                <div className="row-actions">
                  <For role="OPERATOR">
                    <Link
                      to="/campaigns"
                      search={{ package: one.id }}
                      className="button"
                      aria-label={`Campaign with ${one.name} ${one.version}`}
                    >
                      Campaign…
                    </Link>
                    <button
                      type="button"
                      aria-label={`Update one device to ${one.name} ${one.version}`}
                      onClick={() => onUpdate(one)}
                    >
                      One device…
                    </button>
                    <button
                      type="button"
                      className="danger"
                      aria-label={`Delete ${one.name} ${one.version}`}
                      onClick={() => onDelete(one)}
                    >
                      Delete…
                    </button>
                  </For>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
