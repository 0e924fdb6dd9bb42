"""The audit: pages, newest first."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from app.domain.enums import Instant
from app.models.cursors import parse_seq_cursor
from app.models.queries.access import MAX_SEQ, fetch
from app.models.queries.pages import Page, uncounted
from app.models.queries.views import columns

_KIND: Final = "audit"


@dataclass(slots=True)
class AuditEventView:
    """An event of the audit."""

    id: int
    at: Instant
    actor: str
    action: str
    target: str | None
    detail_json: str | None


PAGE: Final = f"SELECT {columns(AuditEventView, 'a')} FROM audit_event a WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2"


async def audit_page(first: int, after: str | None = None) -> Page[AuditEventView]:
    """Return a page of the audit, newest first.

    Raises:
        InvalidCursor: ``after`` is no cursor of the audit.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_KIND, after)
    found = [AuditEventView(*row) for row in await fetch(PAGE, [before, first + 1])]
    total = partial(uncounted, len(found))
    return Page.of(_KIND, found, first, lambda event: event.id, continued=after is not None, total=total)
