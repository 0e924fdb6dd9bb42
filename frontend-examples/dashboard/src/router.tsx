/** The pages and their addresses. Filters are search parameters, so every view can be linked to. */

import { createHashHistory, createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";

import { Note } from "./components/text";
import { parseEndpointSearch, parseOperationSearch, parseOverviewSearch } from "./filters";
import { Shell } from "./shell/shell";

const root = createRootRoute({ component: Shell, notFoundComponent: () => <Note>There is no such page.</Note> });
const getParentRoute = () => root;

const overview = createRoute({
  getParentRoute,
  path: "/",
  validateSearch: parseOverviewSearch,
  component: lazyRouteComponent(() => import("./pages/overview/overview"), "Overview"),
});
const operations = createRoute({
  getParentRoute,
  path: "/operations",
  validateSearch: parseOperationSearch,
  component: lazyRouteComponent(() => import("./pages/operations/operations"), "Operations"),
});
const operation = createRoute({
  getParentRoute,
  path: "/operations/$id",
  component: lazyRouteComponent(() => import("./pages/operations/operation"), "Operation"),
});
const fleet = createRoute({
  getParentRoute,
  path: "/fleet",
  validateSearch: parseEndpointSearch,
  component: lazyRouteComponent(() => import("./pages/fleet/fleet"), "Fleet"),
});
const endpoint = createRoute({
  getParentRoute,
  path: "/endpoint/$name",
  component: lazyRouteComponent(() => import("./pages/endpoint/endpoint"), "Endpoint"),
});
const rules = createRoute({
  getParentRoute,
  path: "/rules",
  component: lazyRouteComponent(() => import("./pages/rules/rules"), "Rules"),
});
const firmware = createRoute({
  getParentRoute,
  path: "/firmware",
  component: lazyRouteComponent(() => import("./pages/firmware/firmware"), "Firmware"),
});
const campaigns = createRoute({
  getParentRoute,
  path: "/campaigns",
  /** With a package the form for a new campaign of it is open. */
  validateSearch: ({ package: id }: Record<string, unknown>): { package?: string } => (typeof id === "string" ? { package: id } : {}),
  component: lazyRouteComponent(() => import("./pages/campaigns/campaigns"), "Campaigns"),
});
const campaign = createRoute({
  getParentRoute,
  path: "/campaigns/$id",
  component: lazyRouteComponent(() => import("./pages/campaigns/campaign"), "Campaign"),
});
const tokens = createRoute({
  getParentRoute,
  path: "/tokens",
  component: lazyRouteComponent(() => import("./pages/access/tokens"), "Tokens"),
});
const audit = createRoute({
  getParentRoute,
  path: "/audit",
  component: lazyRouteComponent(() => import("./pages/access/audit"), "Audit"),
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
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
