"""The statements of observation rules find their rows by indexes, however many endpoints and operations there are."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from app.models.database import reading
from app.models.ledger import observations, rule_application
from app.models.queries import EndpointCriteria
from app.models.queries.access import Statement, on_postgres
from app.models.queries.observation_rules import COUNTS, OF_ENDPOINTS
from app.models.ready import RULES_DUE
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, plan, statistics, used_indexes, whole_tables

FILL: Final = (
    """
    INSERT INTO observation_rule (
        id, server_id, name, given_filter, criteria, paths, composite, read_paths, enabled, created_at
    ) VALUES (1, 1, 'climate', '{}', '{}', '["/3/0/0"]', FALSE, '[]', TRUE, 1)
    """,
    "UPDATE leshan_server SET rules_seq = 9",
    "UPDATE endpoint SET rules_seq = CASE WHEN id <= 50 THEN 0 ELSE 9 END",
    """
    INSERT INTO observation (id, endpoint_id, rule_id, targets, state, since, check_at)
    SELECT id, id, 1 + id % 20, '{}', 'ESTABLISHED', 1, CASE WHEN id % 3 = 0 THEN 1700000000000000 + id END
    FROM endpoint
    """,
    "UPDATE operation SET rule_id = 1 WHERE seq % 10 = 0",
)
SOME: Final = [list(range(100, 160))]
CASES: Final[dict[str, tuple[str, list[Any], set[str]]]] = {
    "endpoints that are due": (rule_application.DUE, [1, 9, 500], {"ix_endpoint_rules"}),
    "those with observations": (rule_application.HAVING, SOME, {"uq_observation_endpoint"}),
    "their open operations": (rule_application.OPEN, SOME, {"ix_operation_rule"}),
    "their observations": (observations.OF_ENDPOINTS, SOME, {"uq_observation_endpoint"}),
    "observations to check": (observations.DUE, [1_700_000_000_000_100, 100], {"ix_observation_check"}),
    "observations of a page": (OF_ENDPOINTS, SOME, {"uq_observation_endpoint"}),
    "counts of a rule": (COUNTS, [[7]], {"ix_observation_rule_state"}),
    "anything due": (RULES_DUE.format(server=1, now=1), [], {"ix_endpoint_rules", "ix_observation_check"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_rules_have_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, (sql, values, wanted) in CASES.items():
            lines = await plan(Statement(sql, list(values)))
            assert wanted <= used_indexes(lines), (name, lines)
            whole = [line for line in whole_tables(lines) if not re.search("observation_rule|leshan_server", line)]
            assert not whole, (name, lines)
        statement = Statement("", [SOME[0]])
        conditions = EndpointCriteria(name_contains="1").conditions("e", statement, postgres=on_postgres())
        statement.sql = f"SELECT e.id FROM endpoint e WHERE {' AND '.join([rule_application.AMONG, *conditions])}"  # noqa: S608
        assert not whole_tables(await plan(statement))
