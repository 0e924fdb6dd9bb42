export type BulkAction = "Cancel" | "Retry";

export const PAST: Record<BulkAction, string> = { Cancel: "canceled", Retry: "queued again" };
