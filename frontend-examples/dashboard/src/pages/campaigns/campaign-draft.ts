/** The state of the form of a campaign, and the input of the API that is built from it. */

import type { CampaignInput, DeviceOperationTemplateInput, EndpointFilter, FirmwareMethod } from "../../api/generated";

export interface WaveDraft {
  key: number;
  percent: string;
  minSuccessPercent: string;
  approve: boolean;
}

export interface CampaignDraft {
  name: string;
  filter: EndpointFilter;
  continuous: boolean;
  work: "firmware" | "operations";
  packageId: string;
  method: FirmwareMethod;
  waves: readonly WaveDraft[];
  /** Texts of limits by their GraphQL names; "" for none. */
  startsPerMinute: string;
  maxRunning: string;
  retries: string;
  failurePercent: string;
  minEnded: string;
  startAt: string | undefined;
  endAt: string | undefined;
  windowFrom: string;
  windowTo: string;
  timeZone: string;
}

let nextKey = 1;

export const newWave = (percent: string): WaveDraft => ({ key: nextKey++, percent, minSuccessPercent: "", approve: false });

export const newCampaign = (packageId: string | undefined): CampaignDraft => ({
  name: "",
  filter: {},
  continuous: false,
  work: "firmware",
  packageId: packageId ?? "",
  method: "PULL",
  waves: [newWave("100")],
  startsPerMinute: "",
  maxRunning: "",
  retries: "0",
  failurePercent: "",
  minEnded: "10",
  startAt: undefined,
  endAt: undefined,
  windowFrom: "",
  windowTo: "",
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
});

const number = (text: string): number | null => (text.trim() === "" ? null : Number(text));

/** Build the input. The server checks it: an invalid number is sent as it is, or as null. */
export function campaignInput(draft: CampaignDraft, operations: readonly DeviceOperationTemplateInput[]): CampaignInput {
  const { name, filter, continuous, work, packageId, method, waves } = draft;
  const failurePercent = number(draft.failurePercent);
  const { windowFrom: from, windowTo: to, timeZone } = draft;
  return {
    name,
    filter,
    continuous,
    ...(work === "firmware" ? { firmware: { packageId, method } } : { operations: [...operations] }),
    waves: waves.map(({ percent, minSuccessPercent, approve }) => ({
      percent: number(percent) ?? 0,
      minSuccessPercent: number(minSuccessPercent) ?? 0,
      approve,
    })),
    startsPerMinute: number(draft.startsPerMinute),
    maxRunning: number(draft.maxRunning),
    retries: number(draft.retries) ?? 0,
    abort: failurePercent === null ? null : { failurePercent, minEnded: number(draft.minEnded) ?? 10 },
    startAt: draft.startAt ?? null,
    endAt: draft.endAt ?? null,
    window: from || to ? { from, to, timeZone } : null,
  };
}
