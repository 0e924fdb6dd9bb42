/** The frame of all pages: navigation, the banner, the connection, the viewer. */

import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { type Client, Provider } from "urql";

import { createClient } from "../api/client";
import { ViewerDocument } from "../api/generated";
import { useLive } from "../api/live";
import { connection, refused, setToken, tokenChanges } from "../api/session";
import { useStore } from "../api/store";
import { type Role, useMay, useViewer, ViewerContext } from "../api/viewer";
import { Note } from "../components/text";
import { Toasts } from "../components/toasts";
import { Banner } from "./banner";
import { Login } from "./login";
import { ThemeButton } from "./theme";

const PAGES: readonly { to: string; name: string; role: Role }[] = [
  { to: "/", name: "Overview", role: "VIEWER" },
  { to: "/operations", name: "Operations", role: "VIEWER" },
  { to: "/fleet", name: "Fleet", role: "VIEWER" },
  { to: "/rules", name: "Rules", role: "VIEWER" },
  { to: "/firmware", name: "Firmware", role: "VIEWER" },
  { to: "/campaigns", name: "Campaigns", role: "VIEWER" },
  { to: "/tokens", name: "Tokens", role: "ADMIN" },
  { to: "/audit", name: "Audit", role: "ADMIN" },
];

export function Shell(): ReactNode {
  const asksForToken = useStore(refused);
  const [run, setRun] = useState(0);
  const [client, setClient] = useState<Client>();
  useEffect(() => {
    if (asksForToken) return;
    const { client, close } = createClient();
    setClient(client);
    return close;
  }, [run, asksForToken]);
  function login(token: string) {
    setToken(token);
    refused.set(false);
    setRun(run + 1);
  }
  if (asksForToken) return <Login onToken={login} />;
  if (!client) return null;
  return (
    <Provider value={client}>
      <WithViewer key={run} onLogout={() => login("")} />
    </Provider>
  );
}

function WithViewer({ onLogout }: { onLogout: () => void }): ReactNode {
  const { data, problem, reload } = useLive(ViewerDocument, {});
  useEffect(() => tokenChanges.subscribe(reload), [reload]);
  if (!data) return <Note>{problem ? "The server cannot be reached. Trying again…" : "Connecting…"}</Note>;
  return (
    <ViewerContext value={data.viewer}>
      <a className="skip" href="#content" onClick={focusContent}>
        Skip to the content
      </a>
      <header className="bar">
        <span className="brand">
          <img src="./favicon.svg" alt="" width="20" height="20" />
          Reveille
        </span>
        <Navigation />
        <ConnectionState />
        <ViewerName onLogout={onLogout} />
        <ThemeButton />
      </header>
      <Banner />
      <Toasts />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
    </ViewerContext>
  );
}

function focusContent(event: { preventDefault: () => void }) {
  event.preventDefault(); // the hash is the address of the page
  document.getElementById("content")?.focus();
}

function Navigation(): ReactNode {
  const isAdmin = useMay("ADMIN");
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow screen the links are a line that scrolls.
    nav.current!.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    const page = PAGES.find(({ to }) => to !== "/" && path.startsWith(to));
    document.title = page ? `${page.name} - Reveille` : "Reveille";
  }, [path]);
  return (
    <nav ref={nav} aria-label="Pages">
      {PAGES.filter(({ role }) => role !== "ADMIN" || isAdmin).map(({ to, name }) => (
        <Link key={to} to={to} activeOptions={{ exact: to === "/", includeSearch: false }} activeProps={{ "aria-current": "page" }}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

/** State of the connection on which changes arrive; the banner says what else is wrong. */
function ConnectionState(): ReactNode {
  const state = useStore(connection);
  const text = { live: "Live", connecting: "Connecting", lost: "Offline" }[state];
  return (
    <span className={`connection ${state}`} role="status">
      {text}
    </span>
  );
}

function ViewerName({ onLogout }: { onLogout: () => void }): ReactNode {
  const viewer = useViewer();
  if (!viewer) return null;
  return (
    <span className="viewer">
      {viewer.name ?? "unnamed"} <span className="muted">{viewer.role}</span>
      <button type="button" className="quiet" onClick={onLogout}>
        Log out
      </button>
    </span>
  );
}
