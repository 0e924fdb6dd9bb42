import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Tokens(): ReactNode {
  return <PageHead title="Tokens" />;
}
