"""Starts of targets: how many may begin now, which ones, and what each begins."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from app.domain.campaigns import MINUTE, Action, CampaignOperation, InvalidCampaign, next_start, starts_due
from app.domain.enums import SECOND, CampaignTargetState, FirmwareMethod, Instant
from app.domain.firmware_object import OBJECT
from app.domain.object_models import registered_instances
from app.fleet.campaign_ends import DELETED
from app.fleet.campaign_rows import Campaign, TargetRow, load_targets
from app.fleet.updates import begin_update
from app.models.fields import load_json
from app.models.ledger.create import is_full, store_operation
from app.models.ledger.group import Needs
from app.models.ledger.rows import EndpointRow
from app.models.operation import NewOperation

PIECE: Final = 20
"""Maximum of targets that begin in one transaction."""

ROWS: Final = 400
"""Maximum of rows that they write, ends of other targets in the same transaction excluded."""

BYTES: Final = 1_048_576
"""Maximum of bytes of the operations that they create, unless one target has more."""

LOOK_AGAIN: Final = SECOND // 2
"""At a high rate several targets begin so often, instead of one in each of many transactions."""

QUEUE_PAUSE: Final = 60 * SECOND
"""How long a target waits whose endpoint's queue is full."""

WAITING: Final = f"t.campaign_id = $1 AND t.state = '{CampaignTargetState.WAITING}' AND t.number <= $2"
NEXT: Final = f"{WAITING} AND (t.due_at IS NULL OR t.due_at <= $3) ORDER BY t.number LIMIT $4"
UPDATING: Final = """
    SELECT u.endpoint_id AS id, u.created_by, (
        SELECT c.name FROM campaign c
        WHERE c.id = (SELECT t.campaign_id FROM campaign_target t WHERE t.id = u.target_id)
    ) AS name
    FROM firmware_update u WHERE u.id = ANY($1::bigint[])
"""
"""Open updates, each with the name of its campaign. Subqueries instead of joins: for a join PostgreSQL may read all
updates, or all targets."""
TAKEN: Final = f"""
    SELECT t.endpoint_id AS id, c.name
    FROM campaign_target t JOIN campaign c ON c.id = t.campaign_id
    WHERE t.endpoint_id = ANY($1::bigint[]) AND t.state = '{CampaignTargetState.RUNNING}'
      AND t.campaign_id <> $2 AND c.operations IS NOT NULL
"""


@dataclass(slots=True)
class Starts:
    """The targets that may begin now, in the order of their numbers.

    Attributes:
        again_at: when others may begin, as far as the time decides; None if it does not.
        taken: why endpoints cannot be targets now, by their ids.
    """

    targets: list[TargetRow] = field(default_factory=list)
    again_at: Instant | None = None
    operations: list[CampaignOperation] = field(default_factory=list)
    taken: dict[int, str] = field(default_factory=dict)


async def find_starts(campaign: Campaign, last: int) -> Starts:
    """Find the targets with numbers up to ``last`` that may begin now, a limited number. One that begins has to wait
    neither for the daily window, nor for the rate, nor for another one to end."""
    row, group = campaign.row, campaign.group
    starts = Starts(operations=row.parsed_operations())
    try:
        window = row.window
    except InvalidCampaign as error:  # the host's time zones have changed
        campaign.act(Action.HOLD, str(error))
        return starts
    if window is not None and not window.is_open(group.now):
        starts.again_at = window.next_opening(group.now)
        row.hold_rate(starts.again_at)
        return starts
    free = PIECE if row.max_running is None else row.max_running - row.running
    if free <= 0:
        row.hold_rate(group.now)
        return starts
    if row.starts_per_minute is not None:
        due = starts_due(row.next_start_at, group.now, row.starts_per_minute)
        together = max(1, row.starts_per_minute * LOOK_AGAIN // MINUTE)
        if row.next_start_at is not None and due < together:
            starts.again_at = row.next_start_at + (LOOK_AGAIN if together > 1 else 0)
            return starts
        free = min(free, due)
    starts.targets = await load_targets(
        group.store, NEXT, row.id, last, group.now, min(free, _piece(starts.operations))
    )
    if starts.targets:
        await _load(campaign, starts)
    elif await group.store.fetch(f"SELECT 1 FROM campaign_target t WHERE {WAITING} LIMIT 1", row.id, last):
        starts.again_at = group.now + QUEUE_PAUSE
    return starts


def _piece(operations: Sequence[CampaignOperation]) -> int:
    """Return how many targets begin in one transaction."""
    size = sum(_new(operation, "", None, None, 0).weight for operation in operations)
    rows = 2 * len(operations) + 3
    return max(1, min(PIECE, ROWS // rows, BYTES // max(1, size)))


async def _load(campaign: Campaign, starts: Starts) -> None:
    """Load the endpoints, and what prevents their start."""
    group, ids = campaign.group, [target.endpoint_id for target in starts.targets]
    paths = {one.request.path for one in starts.operations if one.supersede and one.request.path is not None}
    await group.load(Needs(endpoint_ids=set(ids), superseded_paths=paths))
    if starts.operations:
        for found in await group.store.fetch(TAKEN, ids, campaign.row.id):
            starts.taken[found["id"]] = f"it is a running target of the campaign {found['name']!r}"
        return
    updates = [id_ for endpoint_id in ids if (id_ := group.endpoints[endpoint_id].update_id) is not None]
    for found in await group.store.fetch(UPDATING, updates) if updates else ():
        by = f"of the campaign {found['name']!r}" if found["name"] else f"that {found['created_by']!r} created"
        starts.taken[found["id"]] = f"it has an open firmware update {by}"


def begin(campaign: Campaign, starts: Starts) -> None:
    """Begin the targets, or skip those that cannot; one whose queue is full continues to wait."""
    group, row = campaign.group, campaign.row
    begun = 0
    for target in starts.targets:
        endpoint = group.endpoints[target.endpoint_id]
        reason = _obstacle(campaign, endpoint, starts)
        if reason is not None:
            campaign.move(target, CampaignTargetState.SKIPPED, reason)
        elif is_full(group, endpoint, max(1, len(starts.operations))):
            campaign.postpone(target, group.now + QUEUE_PAUSE)
        else:
            target.attempts += 1
            target.work = _begin(campaign, target, endpoint, starts.operations)
            campaign.move(target, CampaignTargetState.RUNNING)
            begun += 1
    if row.starts_per_minute is not None and begun:
        row.next_start_at = next_start(row.next_start_at, group.now, row.starts_per_minute, begun)


def _obstacle(campaign: Campaign, endpoint: EndpointRow, starts: Starts) -> str | None:
    """Return why an endpoint cannot be a target; None if it can."""
    if endpoint.deleted_at is not None:
        return DELETED
    if endpoint.id in starts.taken:
        return starts.taken[endpoint.id]
    if campaign.row.package_id is None:
        return None
    if endpoint.update_id is not None:
        return "it has an open firmware update"
    instance = campaign.row.object_instance or 0
    instances = registered_instances(load_json(endpoint.object_links)) if endpoint.registered else None
    if instances is not None and instance not in instances.get(OBJECT, ()):
        return f"it has not registered /{OBJECT}/{instance}"
    return None


def _begin(
    campaign: Campaign, target: TargetRow, endpoint: EndpointRow, operations: Sequence[CampaignOperation]
) -> int:
    """Create the work of a target; return the id of its firmware update, or the ``seq`` of its first operation."""
    group, row = campaign.group, campaign.row
    if row.package_id is not None:
        method, instance = row.method or FirmwareMethod.PULL, row.object_instance or 0
        return begin_update(group, endpoint, row.package_id, method, instance, by=row.created_by, target_id=target.id)
    sequence = f"campaign:{row.id}:{target.number}:{target.attempts}" if len(operations) > 1 else None
    created = [
        store_operation(group, _new(one, endpoint.name, sequence, row.created_by, target.id)) for one in operations
    ]
    if sequence is not None:
        group.sequences.discard((endpoint.id, sequence))  # it is new, so nothing has stopped it
    return created[0].seq


def _new(
    operation: CampaignOperation, endpoint: str, sequence: str | None, created_by: str | None, target_id: int
) -> NewOperation:
    return NewOperation(
        id=str(uuid.uuid4()),
        request=replace(operation.request, endpoint=endpoint),
        priority=operation.priority,
        max_attempts=operation.max_attempts,
        repeatable=operation.repeatable,
        validated=False,
        ttl_seconds=operation.ttl_seconds,
        supersede=operation.supersede,
        fingerprint=operation.fingerprint,
        created_by=created_by,
        not_before=operation.not_before,
        sequence=sequence,
        fleet_id=target_id,
    )
