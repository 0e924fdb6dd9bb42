"""One bad row costs itself alone: what the clock does to many rows at once goes on with all the others.

A row that cannot be tended is a bug of ours, or a hand in the database. It would be found again by every sweep, and
would end each of them: no lease, no expiry and no window would ever be seen to again.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import structlog

from app.models.ledger.group import Group
from app.models.lifecycle import IllegalMove

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def alone(group: Group, what: str, *, endpoint: int | None = None, operation: int | None = None) -> Iterator[None]:
    """What is done to this endpoint and its operation is done wholly, or not at all and told in the log.

    ``group.move`` is to be the last thing done: what it has written into the log of the group stays there.
    """
    rows = [group.server, group.endpoints.get(endpoint or 0), group.operations.get(operation or 0)]
    before = [(row, copy.copy(row)) for row in rows if row is not None]
    try:
        yield
    except (KeyError, IllegalMove) as error:
        # no traceback: to draw one took seconds, and PostgreSQL ends a transaction that is idle for two
        told = {"what": what, "endpoint": endpoint, "operation": operation, "error": repr(error)}
        log.error("row_not_tended", **told)  # noqa: TRY400
        for row, was in before:
            _restore(row, was)


def _restore(row: Any, was: Any) -> None:
    for column in fields(row):
        setattr(row, column.name, getattr(was, column.name))
