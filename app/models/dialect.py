"""The differences between the SQL of PostgreSQL and that of SQLite.

Statements are written once, as PostgreSQL reads them, with ``$1`` placeholders; a list is passed as one value, and
compared by ``= ANY($1::bigint[])``. For SQLite :func:`for_sqlite` translates the statement, and its driver the list.
"""

from __future__ import annotations

import functools
import re
import time
from typing import Final

from app.domain.enums import Instant

PLACEHOLDER: Final = re.compile(r"\$(\d+)")
REVISIONS: Final = "SELECT version FROM aerich WHERE app = 'models'"
"""The revisions that were applied."""
_AMONG: Final = re.compile(r"= ANY\((\$\d+)::\w+\[\]\)")

POSTGRES_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""PostgreSQL's time in microseconds, as an expression."""


def sqlite_now() -> Instant:
    """Return the time by which a ledger on SQLite decides: this host's."""
    return time.time_ns() // 1000


@functools.lru_cache(maxsize=512)
def for_sqlite(sql: str) -> str:
    """Return a statement as SQLite reads it: ``?1`` placeholders, and lists in JSON."""
    return PLACEHOLDER.sub(r"?\1", _AMONG.sub(r"IN (SELECT value FROM json_each(\1))", sql))
