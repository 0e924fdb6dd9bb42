"""Pauses of the dispatch: those in force, and former ones."""

from __future__ import annotations

from typing import Final

from app.models.queries.access import fetch
from app.models.queries.views import PauseView

MOST_PAUSES: Final = 1_000
"""Maximum of pauses returned at once; for more paused endpoints than that, pause the Leshan server instead."""

_SELECT: Final = """
    SELECT p.id, s.name, e.name, p.reason, p.paused_by, p.paused_at, p.resumed_by, p.resumed_at
    FROM dispatch_pause p LEFT JOIN leshan_server s ON s.id = p.server_id LEFT JOIN endpoint e ON e.id = p.endpoint_id
"""


async def pauses(*, past: bool = False, most: int = MOST_PAUSES) -> list[PauseView]:
    """Return the pauses in force, the widest first, then by age; with ``past`` all that are stored, newest first.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    present = "WHERE p.resumed_at IS NULL ORDER BY p.endpoint_id IS NOT NULL, p.server_id IS NOT NULL, p.id LIMIT $1"
    chosen = "ORDER BY p.id DESC LIMIT $1" if past else present
    return [PauseView.load(row) for row in await fetch(f"{_SELECT} {chosen}", [most])]


async def pause_by_id(id_: int) -> PauseView | None:
    """Return a pause by its id."""
    rows = await fetch(f"{_SELECT} WHERE p.id = $1", [id_])
    return PauseView.load(rows[0]) if rows else None
