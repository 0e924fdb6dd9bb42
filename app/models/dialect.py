"""The differences between the SQL of PostgreSQL and that of SQLite.

Statements are written once, as PostgreSQL reads them, with ``$1`` placeholders; a list is passed as one value, and
compared by :func:`among`. :func:`for_sqlite` and :func:`sqlite_values` translate both for SQLite.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterable
from typing import Any, Final

import orjson

from app.domain.enums import Instant

PLACEHOLDER: Final = re.compile(r"\$(\d+)")
_AMONG: Final = re.compile(r"= ANY\((\$\d+)::\w+\[\]\)")

POSTGRES_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""PostgreSQL's time in microseconds, as an expression."""


def sqlite_now() -> Instant:
    """Return the time by which a ledger on SQLite decides: this host's."""
    return time.time_ns() // 1000


def among(column: str, placeholder: str, type_: str) -> str:
    """Return the condition that the column's value is in a list, which is passed as one value of the statement."""
    return f"{column} = ANY({placeholder}::{type_}[])"


@functools.lru_cache(maxsize=512)
def for_sqlite(sql: str) -> str:
    """Return a statement as SQLite reads it: ``?1`` placeholders, and lists in JSON."""
    return PLACEHOLDER.sub(r"?\1", _AMONG.sub(r"IN (SELECT value FROM json_each(\1))", sql))


def sqlite_values(values: Iterable[Any]) -> list[Any]:
    """Return a statement's values as SQLite takes them: a list becomes its JSON."""
    return [orjson.dumps(value, default=str).decode() if isinstance(value, list) else value for value in values]
