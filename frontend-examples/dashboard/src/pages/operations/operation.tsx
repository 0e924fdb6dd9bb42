import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Operation(): ReactNode {
  return <PageHead title="Operation" />;
}
