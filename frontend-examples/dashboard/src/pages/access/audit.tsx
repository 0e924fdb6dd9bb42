import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Audit(): ReactNode {
  return <PageHead title="Audit" />;
}
