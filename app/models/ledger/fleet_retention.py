"""Retention of fleet work: campaigns, firmware updates and retired packages are deleted like ended operations."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from typing import Final

from app.domain.campaigns import FINISHED
from app.domain.enums import CampaignTargetState, Instant
from app.models.ledger.group import Group

PIECE: Final = 200
"""Maximum of rows of each kind that are deleted in one transaction."""

CHANGES: Final = "SELECT seq, at FROM campaign_change ORDER BY seq LIMIT $1"
UPDATES: Final = """
    SELECT id FROM firmware_update WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2
"""
_FINISHED: Final = ", ".join(f"'{status}'" for status in sorted(FINISHED))
CAMPAIGN: Final = f"""
    SELECT c.id FROM campaign c
    WHERE c.status IN ({_FINISHED}) AND c.finished_at < $1 AND c.waiting = 0 AND c.running = 0
      AND NOT EXISTS (SELECT 1 FROM campaign_change l WHERE l.campaign_id = c.id)
    ORDER BY c.id LIMIT 1
"""
TARGETS: Final = "SELECT id, state FROM campaign_target WHERE campaign_id = $1 ORDER BY number LIMIT $2"
PACKAGES: Final = """
    SELECT p.id FROM firmware_package p WHERE p.retired_at < $1
      AND NOT EXISTS (SELECT 1 FROM firmware_update u WHERE u.package_id = p.id)
      AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.package_id = p.id)
    LIMIT $2
"""
_COUNTERS: Final = tuple(state.lower() for state in CampaignTargetState)
_UNCOUNT: Final = (
    f"UPDATE campaign SET {', '.join(f'{name} = {name} - ${n}' for n, name in enumerate(_COUNTERS, start=2))} "
    "WHERE id = $1"
)


async def prune_fleet(group: Group) -> bool:
    """Delete a limited number of rows whose end is older than the retention; return whether there are more.

    Changes of campaigns are a part of the log: the horizon moves with them. A campaign is deleted after them and after
    its targets, a package after everything that needed it.
    """
    edge = group.now - group.rules.retention
    changes = [row["seq"] for row in await group.store.fetch(CHANGES, PIECE) if row["at"] < edge]
    group.horizon = max([group.horizon, *changes])
    _delete(group, "campaign_change", "seq", changes)
    updates = [row["id"] for row in await group.store.fetch(UPDATES, edge, PIECE)]
    _delete(group, "firmware_update", "id", updates)
    more = await _prune_campaign(group, edge)
    _delete(group, "firmware_package", "id", [row["id"] for row in await group.store.fetch(PACKAGES, edge, PIECE)])
    return more or PIECE in {len(changes), len(updates)}


async def _prune_campaign(group: Group, edge: Instant) -> bool:
    """Delete targets of the oldest campaign, or the campaign if it has none any more."""
    found = await group.store.fetch(CAMPAIGN, edge)
    if not found:
        return False
    id_ = found[0]["id"]
    targets = await group.store.fetch(TARGETS, id_, PIECE)
    if not targets:
        _delete(group, "campaign", "id", [id_])
        return True
    states = [row["state"].lower() for row in targets]
    group.statements.append((_UNCOUNT, [(id_, *(states.count(name) for name in _COUNTERS))]))
    _delete(group, "campaign_target", "id", [row["id"] for row in targets])
    return True


def _delete(group: Group, table: str, key: str, keys: list[int]) -> None:
    if keys:
        group.statements.append((f"DELETE FROM {table} WHERE {key} = $1", [(one,) for one in keys]))
