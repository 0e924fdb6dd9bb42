import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Campaigns(): ReactNode {
  return <PageHead title="Campaigns" />;
}
