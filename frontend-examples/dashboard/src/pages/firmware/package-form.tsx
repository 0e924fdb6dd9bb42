/** The form for a new package: a file to upload, or the address of one on another server. */

import { type ReactNode, useEffect, useRef, useState } from "react";

import { AddPackageDocument } from "../../api/generated";
import { useRun } from "../../api/run";
import { Field, TextField } from "../../components/field";
import { FormDialog } from "../../components/form-dialog";
import { toast } from "../../components/toasts";
import { upload } from "./upload";

export function PackageForm({ onDone, onClose }: { onDone: () => void; onClose: () => void }): ReactNode {
  const run = useRun();
  const [source, setSource] = useState<"file" | "uri">("file");
  const [name, setName] = useState("");
  const [version, setVersion] = useState("");
  const [uri, setUri] = useState("");
  const [file, setFile] = useState<File>();
  const [sent, setSent] = useState<number>();
  const uploading = useRef<AbortController>(null);
  useEffect(() => () => uploading.current?.abort(), []);

  async function submit() {
    const problem =
      source === "file" ? await sendFile() : (await run(AddPackageDocument, { input: { name, version, uri } })).problem;
    setSent(undefined);
    if (problem) return problem;
    toast(`${name} ${version} is added.`);
    onDone();
    return undefined;
  }
  async function sendFile() {
    if (!file) return { code: "BAD_USER_INPUT", field: "input.file", message: "Choose a file." };
    uploading.current = new AbortController();
    return upload({ file, name, version, onProgress: setSent, signal: uploading.current.signal });
  }

  return (
    <FormDialog wide title="New package" action={source === "file" ? "Upload" : "Add"} onSubmit={submit} onClose={onClose}>
      <div className="columns">
        <TextField name="name" label="Name" value={name} onChange={setName} />
        <TextField
          name="version"
          label="Version"
          hint="Exactly as the device reports it once it runs this firmware (/3/0/3 or /5/0/7)"
          value={version}
          onChange={setVersion}
        />
      </div>
      <fieldset className="rows">
        <legend>Content</legend>
        <label className="inline">
          <input type="radio" name="source" checked={source === "file"} onChange={() => setSource("file")} />A file, stored by
          this server
        </label>
        <label className="inline">
          <input type="radio" name="source" checked={source === "uri"} onChange={() => setSource("uri")} />
          An address that devices download from
        </label>
        {source === "file" ? (
          <Field name="file" label="File">
            {(control) => <input {...control} type="file" required onChange={(event) => setFile(event.target.files?.[0])} />}
          </Field>
        ) : (
          <TextField
            name="uri"
            label="Address"
            hint="coap, coaps, http or https, at most 255 bytes"
            className="mono"
            value={uri}
            onChange={setUri}
          />
        )}
        {sent !== undefined && (
          <label>
            Uploading
            <progress max={1} value={sent} />
          </label>
        )}
      </fieldset>
    </FormDialog>
  );
}
