"""Isolation of bad rows: a sweep over many rows continues when one of them fails.

A row that fails is due to a bug in Reveille or a manual change in the database. Every sweep would find it again and be
aborted by it: no lease, expiry or window would ever be processed again.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import structlog

from app.models.ledger.group import Group, IllegalMove

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def isolated(group: Group, what: str, *, endpoint: int | None = None, operation: int | None = None) -> Iterator[None]:
    """Apply the changes to this endpoint and its operation as a whole, or undo them and log the error.

    ``group.move`` must come last: its entry in the group's log is not undone.
    """
    rows = [group.server, group.endpoints.get(endpoint or 0), group.operations.get(operation or 0)]
    before = [(row, copy.copy(row)) for row in rows if row is not None]
    try:
        yield
    except (KeyError, IllegalMove) as error:
        # no traceback: rendering one took seconds, and PostgreSQL ends a transaction that is idle for two
        facts = {"what": what, "endpoint": endpoint, "operation": operation, "error": repr(error)}
        log.error("row_skipped", **facts)  # noqa: TRY400
        for row, was in before:
            _restore(row, was)


def _restore(row: Any, was: Any) -> None:
    for column in fields(row):
        setattr(row, column.name, getattr(was, column.name))
