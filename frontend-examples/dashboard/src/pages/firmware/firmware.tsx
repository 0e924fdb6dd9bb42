import type { ReactNode } from "react";

import { PageHead } from "../../components/text";

export function Firmware(): ReactNode {
  return <PageHead title="Firmware" />;
}
