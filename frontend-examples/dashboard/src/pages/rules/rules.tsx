import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Rules(): ReactNode {
  return <PageHead title="Rules" />;
}
