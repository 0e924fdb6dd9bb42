"""Firmware updates: pages newest first, rows by their keys, and the newest one of each endpoint."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from app.domain.enums import FirmwareMethod, FirmwareUpdateState, Instant
from app.models.cursors import parse_seq_cursor
from app.models.fields import members_of
from app.models.queries.access import MAX_SEQ, Lane, Statement, fetch, reading_through
from app.models.queries.criteria import ENDPOINT_BY_NAME
from app.models.queries.pages import Page, merged, uncounted
from app.models.queries.views import Row, columns

_KIND: Final = "firmware-update"
_METHOD: Final = members_of(FirmwareMethod)
_STATE: Final = members_of(FirmwareUpdateState)


@dataclass(slots=True)
class FirmwareUpdateView:
    """The firmware update of one endpoint. ``target_id`` is the campaign's target that it belongs to."""

    id: int
    endpoint_id: int
    package_id: int
    target_id: int | None
    method: FirmwareMethod
    object_instance: int
    state: FirmwareUpdateState
    device_state: int | None
    update_result: int | None
    version_before: str | None
    version_after: str | None
    attempts: int
    created_at: Instant
    created_by: str | None
    since: Instant
    finished_at: Instant | None
    reason: str | None
    detail: str | None

    @classmethod
    def load(cls, row: Row) -> Self:
        view = cls(*row)
        view.method, view.state = _METHOD[view.method], _STATE[view.state]
        return view


@dataclass(frozen=True, slots=True)
class FirmwareUpdateCriteria:
    """A filter of firmware updates: an exact endpoint name, and states of which one must match; None means any."""

    endpoint: str | None = None
    states: Collection[FirmwareUpdateState] | None = None


_COLUMNS: Final = columns(FirmwareUpdateView, "u")
BY_ID: Final = f"SELECT {_COLUMNS} FROM firmware_update u WHERE u.id = ANY($1::bigint[])"
NEWEST: Final = f"""
    SELECT {_COLUMNS} FROM firmware_update u WHERE u.id IN (
        SELECT max(n.id) FROM firmware_update n WHERE n.endpoint_id = ANY($1::bigint[]) GROUP BY n.endpoint_id
    )
"""


async def firmware_update_page(
    criteria: FirmwareUpdateCriteria, first: int, after: str | None = None
) -> Page[FirmwareUpdateView]:
    """Return a page of firmware updates, newest first.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of firmware updates.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_KIND, after)
    found: list[FirmwareUpdateView] = []
    if criteria.states is None or criteria.states:
        statement = firmware_update_statement(criteria, before, first + 1)
        with reading_through(Lane.SMALL):
            found = [FirmwareUpdateView.load(row) for row in await fetch(statement.sql, statement.values)]
    total = partial(uncounted, len(found))
    return Page.of(_KIND, found, first, lambda view: view.id, continued=after is not None, total=total)


def firmware_update_statement(criteria: FirmwareUpdateCriteria, before: int, limit: int) -> Statement:
    """Return the statement of one page: ``limit`` updates with an id below ``before``, one ordered branch for each
    state."""
    statement = Statement("", [before, limit])
    fixed = ["u.id < $1"]
    if criteria.endpoint is not None:
        fixed.append(f"u.endpoint_id = {ENDPOINT_BY_NAME.format(name=statement.add(criteria.endpoint))}")
    states = [] if criteria.states is None else [state for state in FirmwareUpdateState if state in criteria.states]
    if criteria.endpoint is not None and states:
        # not by the index of states: an endpoint has few updates, and those of the other states are skipped
        fixed.append(f"coalesce(u.state, '') IN ({', '.join(repr(str(state)) for state in states)})")
        states = []
    branches = [[*fixed, f"u.state = '{state}'"] for state in states] or [fixed]
    parts = [f"SELECT {_COLUMNS} FROM firmware_update u WHERE {' AND '.join(branch)}" for branch in branches]
    statement.sql = merged(parts, "id DESC", "$2")
    return statement


async def firmware_updates_by_id(ids: Collection[int]) -> dict[int, FirmwareUpdateView]:
    """Return firmware updates by their ids; unknown ones are omitted."""
    return {view.id: view for view in map(FirmwareUpdateView.load, await fetch(BY_ID, [list(ids)]))}


async def newest_firmware_updates(endpoint_ids: Collection[int]) -> dict[int, FirmwareUpdateView]:
    """Return the newest firmware update of each endpoint, which is the open one if there is one, by the endpoint's id;
    endpoints without one are omitted."""
    rows = await fetch(NEWEST, [list(endpoint_ids)])
    return {view.endpoint_id: view for view in map(FirmwareUpdateView.load, rows)}
