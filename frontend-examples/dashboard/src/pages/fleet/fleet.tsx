import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Fleet(): ReactNode {
  return <PageHead title="Fleet" />;
}
