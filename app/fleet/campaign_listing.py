"""Listing of a campaign's targets: the endpoints that match its filter, in the order of their names.

A piece looks at a limited number of endpoints, found by the index of names, of a tag or of an object, however many of
them match: the ledger's lock is held meanwhile.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.domain.campaigns import MINUTE, wave_ends
from app.domain.enums import CampaignStatus
from app.fleet.campaign_rows import Campaign
from app.models.endpoint_index import OBJECTS, TAGS
from app.models.fields import dump_json, load_json
from app.models.ledger.store import Store
from app.models.queries.access import Statement
from app.models.queries.criteria import EndpointCriteria
from app.models.queries.pages import merged

PIECE: Final = 50
"""Maximum of endpoints at which one transaction looks."""

LATER_PIECE: Final = 500
"""The same once the list was complete: few of them are new."""

AGAIN: Final = MINUTE
"""How long after a list is complete further endpoints are looked for, of a continuous campaign."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A piece of the list: endpoints that become targets, in the order of their names, and the name of the last one
    that was looked at; None if there are no more."""

    endpoint_ids: Sequence[int]
    up_to: str | None


def listing_due(campaign: Campaign) -> bool:
    """Return whether targets have to be listed now."""
    row = campaign.row
    if row.listed_at is None:
        return True
    if not row.continuous or row.status is not CampaignStatus.RUNNING:
        return False
    return row.listed_up_to is not None or row.listed_at + AGAIN <= campaign.group.now


async def find_targets(campaign: Campaign) -> Listed:
    """Find the next endpoints that match and are no targets yet."""
    store, row = campaign.group.store, campaign.row
    criteria = EndpointCriteria(**load_json(row.criteria))
    most = PIECE if row.listed_at is None else LATER_PIECE
    statement = candidates(criteria, row.listed_up_to or "", most)
    looked = await store.fetch(statement.sql, *statement.values)
    listed = None if row.listed_at is None else row.id  # the first list passes each name once
    found = await _matching(store, criteria, listed, [one["id"] for one in looked]) if looked else []
    return Listed(found, looked[-1]["name"] if len(looked) == most else None)


def add_targets(campaign: Campaign, listed: Listed) -> None:
    """Add a piece of the list; after the last one, compute where the waves end."""
    row = campaign.row
    campaign.add(listed.endpoint_ids)
    row.listed_up_to = listed.up_to
    first = row.listed_at is None
    if listed.up_to is None:
        row.listed_at = campaign.group.now
        campaign.announced |= first
    if listed.up_to is None and first:
        row.wave_ends = dump_json(wave_ends(row.total, row.parsed_waves()))
    elif not first:
        row.wave_ends = dump_json([*row.ends[:-1], row.total])


def candidates(criteria: EndpointCriteria, after: str, most: int) -> Statement:
    """Return the statement of the endpoints at which a piece looks. One criterion leads to an index in the order of
    names; the others are checked afterwards."""
    statement = Statement("", [after, most])
    if criteria.names is not None:
        names = f"e.name = ANY({statement.add(list(criteria.names))}::text[])"
        sources = [f"SELECT e.id, e.name FROM endpoint e WHERE e.deleted_at IS NULL AND e.name > $1 AND {names}"]
    elif criteria.tags:
        tagged = (
            f"SELECT t.endpoint_id AS id, t.name FROM {TAGS} t WHERE t.tag = {statement.add(next(iter(criteria.tags)))}"
        )
        sources = [f"{tagged} AND t.overdue = {overdue} AND t.name > $1" for overdue in ("true", "false")]
    elif criteria.object_id is not None:
        having = f"t.object_id = {statement.add(criteria.object_id)}"
        sources = [f"SELECT t.endpoint_id AS id, t.name FROM {OBJECTS} t WHERE {having} AND t.name > $1"]
    else:
        sources = ["SELECT e.id, e.name FROM endpoint e WHERE e.deleted_at IS NULL AND e.name > $1"]
    statement.sql = merged(sources, "name", "$2")
    return statement


def _rest(criteria: EndpointCriteria) -> EndpointCriteria:
    """Return the criteria that the endpoints of :func:`candidates` may not meet."""
    if criteria.names is not None:
        return criteria
    if criteria.tags:
        return replace(criteria, tags=tuple(criteria.tags)[1:])
    return replace(criteria, object_id=None)


async def _matching(store: Store, criteria: EndpointCriteria, campaign_id: int | None, ids: Sequence[int]) -> list[int]:
    statement = matching(criteria, campaign_id, ids, postgres=store.postgres)
    return [row["id"] for row in await store.fetch(statement.sql, *statement.values) if row["target"] is None]


def matching(criteria: EndpointCriteria, campaign_id: int | None, ids: Sequence[int], *, postgres: bool) -> Statement:
    """Return the statement of those of these candidates that match, by name, each with its target of the campaign, or
    without one of ``None``.

    The target is a column: for a condition (NOT EXISTS) PostgreSQL may read all targets of the campaign.
    """
    statement = Statement("", [list(ids)])
    conditions = " AND ".join(_rest(criteria).conditions("e", statement, postgres=postgres))
    target = "NULL"
    if campaign_id is not None:
        of = f"t.endpoint_id = e.id AND t.campaign_id = {statement.add(campaign_id)}"
        target = f"(SELECT t.id FROM campaign_target t WHERE {of})"
    statement.sql = f"""
        SELECT e.id, {target} AS target FROM endpoint e WHERE e.id = ANY($1::bigint[]) AND {conditions} ORDER BY e.name
    """
    return statement
