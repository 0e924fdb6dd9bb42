/** Upload of a package: `POST /firmware`, whose body is the package itself. */

import { graphqlUrl } from "../../api/client";
import { type ErrorLike, type Problem, problemOfError } from "../../api/problem";
import { authorization } from "../../api/session";

interface Upload {
  file: File;
  name: string;
  version: string;
  /** Called with the share that was sent, from 0 to 1. */
  onProgress: (share: number) => void;
  /** Ends the upload. */
  signal: AbortSignal;
}

/** Send the file. XMLHttpRequest, because `fetch` does not report the progress of an upload. */
export function upload({ file, name, version, onProgress, signal }: Upload): Promise<Problem | undefined> {
  const url = new URL("firmware", graphqlUrl());
  url.search = new URLSearchParams({ name, version }).toString();
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    for (const [header, value] of Object.entries(authorization())) request.setRequestHeader(header, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onload = () => resolve(request.status === 201 ? undefined : refusal(request));
    request.onerror = () => resolve({ code: "UNREACHABLE", message: "The connection was lost during the upload." });
    request.onabort = () => resolve({ code: "ABORTED", message: "The upload was canceled." });
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/** The server reports errors as GraphQL does; a proxy before it may report its own. */
function refusal({ status, responseText }: XMLHttpRequest): Problem {
  try {
    const { errors } = JSON.parse(responseText) as { errors: ErrorLike[] };
    return problemOfError(errors[0]!);
  } catch {
    return { code: "INTERNAL", message: `The upload was refused with status ${status}.` };
  }
}
