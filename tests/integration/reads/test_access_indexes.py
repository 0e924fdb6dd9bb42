"""The statements of API tokens and the audit find their rows by indexes, however many there are."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from typing import Any, Final

import pytest

from app.models.database import migrate, reading
from app.models.ledger import api_tokens, audit, open_store
from app.models.queries.access import Statement
from app.models.queries.api_tokens import ACTIVE, ENDED, STATE
from app.models.queries.audit import PAGE
from tests.integration.reads.test_indexes import ANALYZED, plan, used_indexes, whole_tables

_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
FILL: Final = (
    f"""
    INSERT INTO api_token (id, name, role, digest, created_at, expires_at, ends_at, changed_seq)
    {_NUMBERS}
    SELECT i, 'ci', 'viewer', 'digest-' || i, i, i, i, i FROM n
    """,
    f"INSERT INTO audit_event (id, at, actor, action) {_NUMBERS} SELECT i, i, 'ada', 'pauseDispatch' FROM n",
)
CASES: Final[dict[str, tuple[str, list[Any], set[str]]]] = {
    "state": (STATE, [], {"ix_api_token_changed"}),
    "active tokens": (ACTIVE, [19_900, 2_000], {"ix_api_token_ends"}),
    "number of active tokens": (api_tokens.COUNT, [19_900], {"ix_api_token_ends"}),
    "tokens that ended last": (ENDED, [19_900, 100], {"ix_api_token_ends"}),
    "tokens to prune": (api_tokens.ENDED, [500, 100], {"ix_api_token_ends"}),
    "a page of the audit": (PAGE, [15_000, 51], {"primary key"}),
    "events to prune": (audit.OLDEST, [1_000], {"primary key"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_access_have_their_indexes(database_url: str, analyze: bool) -> None:
    await migrate(database_url)
    store = open_store(database_url, unsafe=True)
    await store.open()
    for sql in (*FILL, *(("ANALYZE",) if analyze else ())):
        await store.execute(sql)
    await store.close()
    async with reading(database_url):
        for name, (sql, values, wanted) in CASES.items():
            lines = await plan(Statement(sql, list(values)))
            assert not whole_tables(lines), (name, lines)
            assert wanted <= {"primary key", *used_indexes(lines)}, (name, lines)
