"""Where the columns of an operation that never change, and by which lists are filtered, have their indexes.

PostgreSQL writes a changed row anew, and an entry for it into every index of its table, whatever changed: half of those
of an operation were of columns that never do. There they stand in a table of their own, which a trigger fills when an
operation is created. SQLite leaves the indexes of an unchanged column alone. The reasons and what it brought:
``docs/decisions/0016-what-a-step-writes.md``.
"""

from __future__ import annotations

from typing import Final

FILING: Final = "operation_filing"
"""PostgreSQL's: ``seq``, ``endpoint_id``, ``kind``, ``path``, ``batch``, ``created_by``, ``created_at``."""


def filing(*, postgres: bool) -> str:
    """The table that has these columns' indexes, and ``seq``."""
    return FILING if postgres else "operation"
