import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Campaign(): ReactNode {
  return <PageHead title="Campaign" />;
}
