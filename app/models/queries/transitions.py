"""Transitions of one operation, oldest first, and single ones by their ``seq``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from app.models.cursors import parse_seq_cursor
from app.models.queries.access import fetch
from app.models.queries.pages import COUNT_LIMIT, Page, capped
from app.models.queries.views import TransitionView, columns

_COLUMNS: Final = columns(TransitionView, "t")
_KIND: Final = "transition"


async def transition_page(operation_seq: int, first: int, after: str | None = None) -> Page[TransitionView]:
    """Return a page of an operation's transitions, oldest first.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of transitions.
        ReadUnavailable: the database cannot be reached.
    """
    number = 0 if after is None else parse_seq_cursor(_KIND, after)
    sql = f"""
        SELECT {_COLUMNS} FROM transition t WHERE t.operation_id = $1 AND t.number > $2 ORDER BY t.number LIMIT $3
    """  # noqa: S608
    found = [TransitionView.load(row) for row in await fetch(sql, [operation_seq, number, first + 1])]

    async def total() -> tuple[int, bool]:
        counted = "SELECT count(*) FROM (SELECT 1 FROM transition t WHERE t.operation_id = $1 LIMIT $2) c"
        ((count,),) = await fetch(counted, [operation_seq, COUNT_LIMIT + 1])
        return capped(count)

    return Page.of(_KIND, found, first, lambda t: t.number, continued=after is not None, total=total)


async def transitions_by_seq(seqs: Collection[int]) -> dict[int, TransitionView]:
    """Return transitions by their ``seq``, as in ``Operation.last_seq``; unknown ones are omitted."""
    if not seqs:
        return {}
    sql = f"SELECT {_COLUMNS} FROM transition t WHERE t.seq = ANY($1::bigint[])"  # noqa: S608
    return {view.seq: view for view in map(TransitionView.load, await fetch(sql, [list(seqs)]))}
