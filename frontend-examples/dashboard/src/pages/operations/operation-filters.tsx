/** Every filter of the API for operations. Each control is a search parameter of the address. */

import type { ReactNode } from "react";

import type { OperationRowFragment, ReasonCode } from "../../api/generated";
import type { Problem } from "../../api/problem";
import { ChoiceFilter, TextFilter, TimeFilter } from "../../components/filter-fields";
import { Filters } from "../../components/filters";
import type { OperationSearch } from "../../filters";
import { KINDS, STATUSES } from "../../operation-rules";
import { REASON_CODES } from "../../words";

interface Props {
  filter: OperationSearch;
  problem: Problem | undefined;
  /** Called with the change of the latest filter, which may be newer than `filter`: leaving a text changes it before a click does. */
  onChange: (change: (latest: OperationSearch) => OperationSearch) => void;
}

/** Filters that are behind "More filters". */
const MORE = ["kinds", "reasons", "createdAfter", "createdBefore", "batch", "createdBy", "retried"] as const;

export function OperationFilters({ filter, problem, onChange }: Props): ReactNode {
  const set = <Name extends keyof OperationSearch>(name: Name) => ({
    value: filter[name] ?? undefined,
    onChange: (value: OperationSearch[Name] | undefined) => onChange((latest) => ({ ...latest, [name]: value })),
  });
  const invalid = (name: string) => problem?.field?.endsWith(name) ?? false;
  return (
    <Filters
      set={Object.keys(filter)}
      moreNames={MORE}
      onReset={() => onChange(() => ({}))}
      more={
        <>
          <ChoiceFilter label="Kind" options={KINDS} {...(set("kinds") as Choice<OperationRowFragment["kind"]>)} />
          <ChoiceFilter label="Reason" options={REASON_CODES} {...(set("reasons") as Choice<ReasonCode>)} />
          <TimeFilter label="Created after" {...(set("createdAfter") as Text)} />
          <TimeFilter label="Created before" {...(set("createdBefore") as Text)} />
          <TextFilter label="Batch" size={14} {...(set("batch") as Text)} invalid={invalid("batch")} />
          <TextFilter label="Created by" size={12} {...(set("createdBy") as Text)} invalid={invalid("createdBy")} />
          <Retried {...(set("retried") as RetriedProps)} />
        </>
      }
    >
      <ChoiceFilter label="Status" options={STATUSES} {...(set("statuses") as Choice<OperationRowFragment["status"]>)} />
      <TextFilter label="Endpoint" placeholder="exact name" size={22} {...(set("endpoint") as Text)} invalid={invalid("endpoint")} />
      <TextFilter label="Path at or below" placeholder="/5/0" size={10} {...(set("pathPrefix") as Text)} invalid={invalid("pathPrefix")} />
    </Filters>
  );
}

interface Text {
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

interface Choice<Value> {
  value: readonly Value[] | undefined;
  onChange: (value: Value[] | undefined) => void;
}

interface RetriedProps {
  value: boolean | undefined;
  onChange: (value: boolean | undefined) => void;
}

function Retried({ value, onChange }: RetriedProps): ReactNode {
  return (
    <label>
      Retried
      <select
        value={value === undefined ? "" : String(value)}
        onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value === "true")}
      >
        <option value="">any</option>
        <option value="true">yes</option>
        <option value="false">no</option>
      </select>
    </label>
  );
}
