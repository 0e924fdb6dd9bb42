import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Overview(): ReactNode {
  return <PageHead title="Overview" />;
}
