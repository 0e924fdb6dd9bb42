/** The form for the access token, where the server requires one. */

import { type FormEvent, type ReactNode } from "react";

import { token } from "../api/session";

export function Login({ onToken }: { onToken: (token: string) => void }): ReactNode {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    onToken(String(new FormData(event.currentTarget).get("token")).trim());
  }
  return (
    <main className="login">
      <h1>Reveille</h1>
      <form onSubmit={submit}>
        <label>
          Access token
          <input name="token" type="password" autoComplete="off" required autoFocus />
        </label>
        <p className="muted">It is kept for this tab only.</p>
        {token() && (
          <p className="failure" role="alert">
            The server refused the token: it is unknown, expired or revoked.
          </p>
        )}
        <button type="submit" className="primary">
          Log in
        </button>
      </form>
    </main>
  );
}
