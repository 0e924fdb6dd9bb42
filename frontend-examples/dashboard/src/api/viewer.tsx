/** Who uses the page, and what the role permits. */

import { createContext, type ReactNode, useContext } from "react";

import type { ViewerQuery } from "./generated";

export type Role = "VIEWER" | "OPERATOR" | "ADMIN";

const RANKS: Record<string, number> = { VIEWER: 0, OPERATOR: 1, ADMIN: 2 };

/** The viewer; null where access is open. */
export const ViewerContext = createContext<ViewerQuery["viewer"]>(null);

export const useViewer = () => useContext(ViewerContext);

/** Whether the viewer may use what requires a role. Where access is open, everybody may. */
export function useMay(role: Role): boolean {
  const viewer = useViewer();
  return viewer === null || (RANKS[viewer.role] ?? 0) >= (RANKS[role] ?? 0);
}

/** Content for viewers with a role; others see nothing of it. */
export function For({ role, children }: { role: Role; children: ReactNode }): ReactNode {
  return useMay(role) ? children : null;
}
