/** Export of readings as CSV. */

import { type ReactNode, useState } from "react";

import { graphqlUrl } from "../../api/client";
import { authorization } from "../../api/session";
import { toast } from "../../components/toasts";
import type { Range } from "./plot";

const HEADER_BYTES = 1_000;

interface Props {
  endpoint: string;
  paths: readonly string[];
  range: Range;
}

/** Saves all readings of the range in one file: those of each path, one after the other. */
export function ExportButton({ endpoint, paths, range }: Props): ReactNode {
  const [running, setRunning] = useState(false);
  async function save() {
    setRunning(true);
    try {
      const parts: Blob[] = [];
      for (const path of paths) {
        const csv = await readCsv(endpoint, path, range);
        parts.push(parts.length ? await withoutHeader(csv) : csv);
      }
      offer(new Blob(parts, { type: "text/csv" }), `${endpoint.replace(/[^\w.-]/g, "_")}.csv`);
    } catch (error) {
      toast(error instanceof Error ? error.message : "The export failed.", { bad: true });
    } finally {
      setRunning(false);
    }
  }
  return (
    <button type="button" disabled={running} onClick={() => void save()}>
      {running ? "Exporting…" : "CSV"}
    </button>
  );
}

async function readCsv(endpoint: string, path: string, { from, to }: Range): Promise<Blob> {
  const url = new URL("export/readings.csv", graphqlUrl());
  url.search = new URLSearchParams({ endpoint, path, from: new Date(from).toISOString(), to: new Date(to).toISOString() }).toString();
  const response = await fetch(url, { headers: authorization() }).catch(() => undefined);
  if (!response) throw new Error("The server cannot be reached.");
  if (response.ok) return response.blob();
  const body = (await response.json().catch(() => undefined)) as { errors?: { message: string }[] } | undefined;
  throw new Error(body?.errors?.[0]?.message ?? `The export failed with HTTP status ${response.status}.`);
}

async function withoutHeader(csv: Blob): Promise<Blob> {
  const begin = await csv.slice(0, HEADER_BYTES).text();
  return csv.slice(begin.indexOf("\n") + 1);
}

function offer(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
