/** API tokens: who may call the API, with which role. For ADMIN. */

import { type ReactNode, useState } from "react";

import { RevokeTokenDocument, type TokenFragment, TokensDocument } from "../../api/generated";
import { useLive } from "../../api/live";
import { useRun } from "../../api/run";
import { For } from "../../api/viewer";
import { Confirm } from "../../components/form-dialog";
import { Badge, Failure, Foreign, Note, PageHead } from "../../components/text";
import { Ago, At, Created, useNow } from "../../components/time";
import { toast } from "../../components/toasts";
import { CreateToken } from "./create-token";

export function Tokens(): ReactNode {
  const { data, problem, reload } = useLive(TokensDocument, {}, { everySeconds: 10 });
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<TokenFragment>();
  const run = useRun();
  async function revoke({ id, name }: TokenFragment) {
    const { problem: failed } = await run(RevokeTokenDocument, { id });
    if (failed) return failed;
    toast(`The token ${name} is revoked.`);
    reload();
  }
  return (
    <>
      <PageHead title="Tokens">
        <For role="ADMIN">
          <button type="button" className="primary" onClick={() => setCreating(true)}>
            New token
          </button>
        </For>
      </PageHead>
      <Failure problem={problem} />
      {data?.apiTokens && <TokenList tokens={data.apiTokens} onRevoke={setRevoking} />}
      {creating && <CreateToken onCreated={reload} onClose={() => setCreating(false)} />}
      {revoking && (
        <Confirm
          title="Revoke the token?"
          action="Revoke"
          danger
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          <p>
            Requests with the token <Foreign text={revoking.name} /> ({revoking.role}) will be refused, and its connections are
            closed within 10 seconds. A revoked token cannot be used again.
          </p>
        </Confirm>
      )}
    </>
  );
}

function TokenList({
  tokens,
  onRevoke,
}: {
  tokens: readonly TokenFragment[];
  onRevoke: (token: TokenFragment) => void;
}): ReactNode {
  if (!tokens.length) {
    return (
      <Note>
        There is no token yet: tokens of REVEILLE_AUTH are not listed. The first one ends open access for every caller, so it must
        be an ADMIN.
      </Note>
    );
  }
  return (
    <div className="card scroll-x">
      <table className="list">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">State</th>
            <th scope="col">Last used</th>
            <th scope="col" className="wide-only">
              Created
            </th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <tr key={token.id}>
              <th scope="row">
                <Foreign text={token.name} />
              </th>
              <td>{token.role}</td>
              <td>
                <State token={token} />
              </td>
              <td>
                <Ago at={token.lastUsedAt} />
              </td>
              <td className="wide-only">
                <Created of={token} />
              </td>
              <td className="num">
                {!token.revokedAt && (
                  <button type="button" aria-label={`Revoke ${token.name}`} onClick={() => onRevoke(token)}>
                    Revoke
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function State({ token: { revokedAt, expiresAt } }: { token: TokenFragment }): ReactNode {
  const now = useNow();
  if (revokedAt) {
    return (
      <>
        <Badge tone="idle">REVOKED</Badge> <At at={revokedAt} />
      </>
    );
  }
  if (!expiresAt) return <Badge tone="good">VALID</Badge>;
  const expired = Date.parse(expiresAt) <= now;
  return (
    <>
      <Badge tone={expired ? "idle" : "good"}>{expired ? "EXPIRED" : "VALID"}</Badge> {expired ? "since" : "until"}{" "}
      <At at={expiresAt} />
    </>
  );
}
