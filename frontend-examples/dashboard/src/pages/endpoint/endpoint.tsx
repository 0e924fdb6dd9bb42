import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Endpoint(): ReactNode {
  return <PageHead title="Endpoint" />;
}
