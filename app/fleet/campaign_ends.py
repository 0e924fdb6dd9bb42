"""Ends of targets: what became of the firmware update, or of the operations, that a target began."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from app.domain.enums import CampaignTargetState, FirmwareUpdateState, OperationStatus, ReasonCode
from app.domain.firmware_object import Reason
from app.fleet.campaign_rows import Campaign, TargetRow, load_targets
from app.models.ledger.store import Row, Store
from app.models.lifecycle import TERMINAL

PIECE: Final = 100
"""Maximum of targets that end in one transaction."""

DELETED: Final = "the endpoint was deleted"

DUE: Final = (
    f"t.due_at <= $1 AND t.campaign_id = $2 AND t.state = '{CampaignTargetState.RUNNING}' ORDER BY t.due_at LIMIT $3"
)
_DELETED_AT: Final = "(SELECT e.deleted_at FROM endpoint e WHERE e.id = {}.endpoint_id) AS deleted_at"
UPDATES: Final = f"""
    SELECT u.id, u.state, u.reason, u.detail, {_DELETED_AT.format("u")}
    FROM firmware_update u WHERE u.id = ANY($1::bigint[])
"""
OPERATIONS: Final = f"""
    SELECT o.fleet_id, o.seq, o.status, o.reason, {_DELETED_AT.format("o")}
    FROM operation o WHERE o.fleet_id = ANY($1::bigint[]) ORDER BY o.seq
"""
"""No joins: for one PostgreSQL may read all targets and all updates, while it believes that there are few."""


class End(NamedTuple):
    """The state in which a target ends, and why."""

    state: CampaignTargetState
    detail: str | None = None


async def end_targets(campaign: Campaign) -> bool:
    """End targets whose work has ended, a limited number; return whether there may be more."""
    group, row = campaign.group, campaign.row
    due = await load_targets(group.store, DUE, group.now, row.id, PIECE)
    ends = await _ends(group.store, due, operations=len(campaign.row.parsed_operations()))
    for target in due:
        end = ends.get(target.id)
        if end is None:
            campaign.postpone(target, None)
        elif _begins_again(campaign, target, end):
            campaign.move(target, CampaignTargetState.WAITING, end.detail)
        else:
            campaign.move(target, end.state, end.detail)
    await campaign.write_targets()
    return len(due) == PIECE


def _begins_again(campaign: Campaign, target: TargetRow, end: End) -> bool:
    again = end.state is CampaignTargetState.FAILED and target.attempts <= campaign.row.retries
    return again and not campaign.finished and not campaign.past_end


async def _ends(store: Store, targets: Sequence[TargetRow], *, operations: int) -> Mapping[int, End | None]:
    """Return how each of these targets has ended; None if its work goes on."""
    if not targets:
        return {}
    if not operations:
        updates = {row["id"]: row for row in await store.fetch(UPDATES, [target.work for target in targets])}
        return {target.id: _end_of_update(updates.get(target.work)) for target in targets}
    found: dict[int, list[Row]] = {target.id: [] for target in targets}
    begun = {target.id: target.work or 0 for target in targets}
    for row in await store.fetch(OPERATIONS, list(found)):
        if row["seq"] >= begun[row["fleet_id"]]:  # earlier ones are of an earlier attempt
            found[row["fleet_id"]].append(row)
    return {id_: _end_of_operations(rows, operations) for id_, rows in found.items()}


def _end_of_update(row: Row | None) -> End | None:
    if row is None:  # deleted: a change by hand
        return End(CampaignTargetState.FAILED, "its firmware update is not stored any more")
    state = row["state"]
    if state == FirmwareUpdateState.SUCCEEDED:
        return End(CampaignTargetState.SUCCEEDED, row["reason"])
    if state not in {FirmwareUpdateState.FAILED, FirmwareUpdateState.CANCELED}:
        return None
    if row["deleted_at"] is not None or row["reason"] == Reason.ENDPOINT_DELETED:
        return End(CampaignTargetState.SKIPPED, DELETED)
    if state == FirmwareUpdateState.CANCELED:
        return End(CampaignTargetState.CANCELED, "its firmware update was canceled")
    return End(CampaignTargetState.FAILED, ": ".join(text for text in (row["reason"], row["detail"]) if text) or None)


def _end_of_operations(rows: Sequence[Row], count: int) -> End | None:
    """Return the end of a target with ``count`` operations. The first ones may have been deleted after the retention;
    they were CONFIRMED."""
    if not rows:
        return End(CampaignTargetState.FAILED, "its operations are not stored any more")
    if any(row["status"] not in TERMINAL for row in rows):
        return None
    first = next((index for index, row in enumerate(rows) if row["status"] != OperationStatus.CONFIRMED), None)
    if first is None:
        return End(CampaignTargetState.SUCCEEDED)
    row = rows[first]
    if row["deleted_at"] is not None or row["reason"] == ReasonCode.ENDPOINT_DELETED:
        return End(CampaignTargetState.SKIPPED, DELETED)
    canceled = row["reason"] == ReasonCode.CANCELED_BY_USER
    number = count - len(rows) + first + 1
    detail = f"operation {number} of {count}: {row['reason'] or row['status']}"
    return End(CampaignTargetState.CANCELED if canceled else CampaignTargetState.FAILED, detail)
