"""The statements of firmware packages find their rows by indexes, however many updates and campaigns there are."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.fleet import packages
from app.models.database import reading
from app.models.queries import fleet
from app.models.queries.access import Statement
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, plan, statistics, used_indexes

FILL: Final = (
    """
    INSERT INTO firmware_package (id, name, version, size, created_at, key, retired_at)
    SELECT id, 'p', '1', 1, 1, 'k' || id, CASE WHEN id > 900 THEN 1700000000000000 + id END FROM endpoint
    """,
    """
    INSERT INTO firmware_update (id, endpoint_id, package_id, method, object_instance, state, step_at, attempts,
        executions, tries, created_at, since, seen_seq, finished_at)
    SELECT seq, endpoint_id, 1 + seq % 3, 'PULL', 0, 'FAILED', 1, 0, 0, 0, 1, 1, 0, 1 FROM operation
    """,
    """
    INSERT INTO campaign (id, server_id, name, status, given_filter, criteria, continuous, package_id, waves, wave,
        wave_accepted, retries, created_at, waiting, running, succeeded, failed, canceled, skipped)
    SELECT id, 1, 'c' || id, 'COMPLETED', '{}', '{}', FALSE, id, '[]', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 FROM endpoint
    """,
)
CASES: Final[dict[str, tuple[str, list[Any], set[str]]]] = {
    "one package": (packages.KNOWN, [7], {"firmware_package_pkey"}),
    "packages by id": (fleet.BY_ID, [[7, 8]], {"firmware_package_pkey"}),
    "an open update": (packages.OPEN_UPDATE, [1], {"ix_firmware_update_package", "uq_firmware_update_open"}),
    "an open campaign": (packages.OPEN_CAMPAIGN, [1], {"ix_campaign_package"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_packages_have_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, (sql, values, wanted) in CASES.items():
            lines = await plan(Statement(sql, list(values)))
            assert wanted & used_indexes(lines), (name, lines)
