"""The statements of fleet work find their rows by indexes, however many updates, targets and operations there are."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.fleet import update_rows
from app.models.database import reading
from app.models.queries.access import Statement, on_postgres
from app.models.ready import UPDATES_DUE
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, plan, statistics, used_indexes, whole_tables

FILL: Final = (
    "INSERT INTO firmware_package (id, name, version, created_at, key) VALUES (1, 'image', '2', 1, 'k')",
    """
    INSERT INTO firmware_update (id, endpoint_id, package_id, method, object_instance, state, step_at, attempts,
        executions, tries, created_at, since, seen_seq, due_at, finished_at)
    SELECT id, id, 1, 'PULL', 0, CASE WHEN id % 3 = 0 THEN 'QUEUED' ELSE 'FAILED' END, 1, 0, 0, 0, 1, 1, 0,
        CASE WHEN id % 3 = 0 THEN 1700000000000000 + id END, CASE WHEN id % 3 = 0 THEN NULL ELSE 1 END
    FROM endpoint
    """,
    "UPDATE operation SET fleet_id = 1 + seq % 900 WHERE seq % 10 = 0",
)
SOME: Final = [list(range(100, 160))]
PATHS: Final = ["/5/0/3", "/5/0/5"]
CASES: Final[dict[str, tuple[str, list[Any], set[str]]]] = {
    "updates that are due": (update_rows.DUE, [1_700_000_000_000_100, 100], {"ix_firmware_update_due"}),
    "anything due": (UPDATES_DUE.format(now=1), [], {"ix_firmware_update_due"}),
    "one update": (update_rows.BY_ID, [7], {"firmware_update_pkey"}),
    "reports": (update_rows.REPORTS, [*SOME, PATHS, 1, 1, 1_000], {"ix_reading_path"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_updates_have_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, (sql, values, wanted) in CASES.items():
            lines = await plan(Statement(sql, list(values)))
            assert not whole_tables(lines), (name, lines)
            partitioned = on_postgres() and name == "reports"  # each partition's index has a name of its own
            assert wanted <= used_indexes(lines) or partitioned, (name, lines)
