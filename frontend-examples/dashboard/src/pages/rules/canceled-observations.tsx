/** The effect of a rule that ends, for the question before it. */

import type { ReactNode } from "react";

import type { RuleFragment } from "../../api/generated";
import { Foreign } from "../../components/text";
import { plural } from "../../words";

export function CanceledObservations({ rule: { name, counts } }: { rule: RuleFragment }): ReactNode {
  const observed = counts.reduce((sum, { state, count }) => (state === "NOT_SUPPORTED" ? sum : sum + count), 0);
  return (
    <p>
      The observations of <Foreign text={name} /> are canceled on <strong>{plural(observed, "endpoint")}</strong>. Stored values are
      kept.
    </p>
  );
}
