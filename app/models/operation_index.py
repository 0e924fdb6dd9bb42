"""The table that has the indexes of an operation's immutable columns, by which lists are filtered.

For a changed row PostgreSQL writes a new version, and an entry for it into every index of its table, whatever changed:
half of an operation's index entries were of columns that never change. There these columns have a table of their own,
which a trigger fills when an operation is created. SQLite does not write the indexes of an unchanged column. The
reasons and the effect: ``docs/decisions/0016-operation-index-table.md``.
"""

from __future__ import annotations

from typing import Final

FILING: Final = "operation_filing"
"""The table on PostgreSQL: ``seq``, ``endpoint_id``, ``kind``, ``path``, ``batch``, ``created_by``, ``created_at``."""


def filing(*, postgres: bool) -> str:
    """Return the table that has these columns' indexes, and ``seq``."""
    return FILING if postgres else "operation"
