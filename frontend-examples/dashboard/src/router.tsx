/** The pages and their addresses. Filters are search parameters, so every view can be linked to. */

import { createHashHistory, createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { Note } from "./components/text";
import { parseEndpointSearch, parseOperationSearch, parseOverviewSearch } from "./filters";
import { PageError, PageNotLoaded } from "./shell/page-error";
import { Shell } from "./shell/shell";

const root = createRootRoute({ component: Shell, notFoundComponent: () => <Note>There is no such page.</Note> });
const getParentRoute = () => root;

/** A page in a file of its own. The router would reload the window where that does not arrive, also while no server responds. */
function page<Module extends Record<string, unknown>, Name extends keyof Module & string>(load: () => Promise<Module>, name: Name) {
  const loadOrFail = () =>
    load().catch(() => {
      throw new PageNotLoaded("The file of the page did not arrive.");
    });
  return lazyRouteComponent(loadOrFail, name);
}

const overview = createRoute({
  getParentRoute,
  path: "/",
  validateSearch: parseOverviewSearch,
  component: page(() => import("./pages/overview/overview"), "Overview"),
});
const operations = createRoute({
  getParentRoute,
  path: "/operations",
  validateSearch: parseOperationSearch,
  component: page(() => import("./pages/operations/operations"), "Operations"),
});
const operation = createRoute({
  getParentRoute,
  path: "/operations/$id",
  component: page(() => import("./pages/operations/operation"), "Operation"),
});
const fleet = createRoute({
  getParentRoute,
  path: "/fleet",
  validateSearch: parseEndpointSearch,
  component: page(() => import("./pages/fleet/fleet"), "Fleet"),
});
const endpoint = createRoute({
  getParentRoute,
  path: "/endpoint/$name",
  component: page(() => import("./pages/endpoint/endpoint"), "Endpoint"),
});
const rules = createRoute({
  getParentRoute,
  path: "/rules",
  component: page(() => import("./pages/rules/rules"), "Rules"),
});
const firmware = createRoute({
  getParentRoute,
  path: "/firmware",
  component: page(() => import("./pages/firmware/firmware"), "Firmware"),
});
const campaigns = createRoute({
  getParentRoute,
  path: "/campaigns",
  /** With a package the form for a new campaign of it is open. */
  validateSearch: ({ package: id }: Record<string, unknown>): { package?: string } => (typeof id === "string" ? { package: id } : {}),
  component: page(() => import("./pages/campaigns/campaigns"), "Campaigns"),
});
const campaign = createRoute({
  getParentRoute,
  path: "/campaigns/$id",
  component: page(() => import("./pages/campaigns/campaign"), "Campaign"),
});
const tokens = createRoute({
  getParentRoute,
  path: "/tokens",
  component: page(() => import("./pages/access/tokens"), "Tokens"),
});
const audit = createRoute({
  getParentRoute,
  path: "/audit",
  component: page(() => import("./pages/access/audit"), "Audit"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    overview,
    operations,
    operation,
    fleet,
    endpoint,
    rules,
    firmware,
    campaigns,
    campaign,
    tokens,
    audit,
  ]),
  history: createHashHistory(),
  defaultErrorComponent: PageError,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
