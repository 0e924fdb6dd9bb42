"""The statements of campaigns find their rows by indexes, however many targets there are."""

# ruff: noqa: S608 - every interpolated name is a constant of ours

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg
import pytest

from app.domain.enums import CampaignStatus, CampaignTargetState
from app.fleet import campaign_ends, campaign_listing, campaign_starts, campaigns
from app.fleet.campaign_rows import TARGETS
from app.models.database import reading
from app.models.ledger import fleet_retention
from app.models.ledger.postgres_store import LEDGER_PLANS
from app.models.queries import EndpointCriteria
from app.models.queries.access import Statement, on_postgres
from app.models.queries.campaigns import (
    DUE,
    OPERATIONS,
    TARGET_OF_ENDPOINT,
    TARGETS_BY_ID,
    campaign_page_sql,
    target_page_sql,
)
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, ON_POSTGRES, plan, statistics, used_indexes

_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
FILL: Final = (
    f"""
    INSERT INTO firmware_package (id, name, version, created_at, key)
    {_NUMBERS} SELECT i, 'image', '2.0.0', 1, 'k' FROM n
    """,
    f"""
    INSERT INTO campaign (
        id, server_id, name, status, given_filter, criteria, continuous, package_id, waves, wave, wave_accepted,
        retries, created_at, finished_at, due_at, waiting, running, succeeded, failed, canceled, skipped
    )
    {_NUMBERS}
    SELECT i, 1, 'campaign-' || i, CASE WHEN i < 10 THEN 'RUNNING' ELSE 'COMPLETED' END, '{{}}', '{{}}', FALSE, 7,
        '[]', 1, 0, 0, 1, CASE WHEN i < 10 THEN NULL ELSE i END, CASE WHEN i < 5 THEN 1 END, 0, 0, 0, 0, 0, 0 FROM n
    """,
    """
    INSERT INTO campaign_target (id, campaign_id, endpoint_id, number, state, attempts, work, changed_at, due_at)
    SELECT 200000 + c.id * 10000 + e.id, c.id, e.id, e.id,
        CASE e.id % 6 WHEN 0 THEN 'WAITING' WHEN 1 THEN 'RUNNING' WHEN 2 THEN 'FAILED' ELSE 'SUCCEEDED' END,
        1, 500000 + e.id, 1, CASE WHEN e.id % 600 = 1 THEN 1 END
    FROM campaign c JOIN endpoint e ON c.id <= 15
    """,
    """
    INSERT INTO campaign_change (seq, campaign_id, target_id, at) SELECT id, campaign_id, id, 1 FROM campaign_target
    """,
    """
    INSERT INTO firmware_update (
        id, endpoint_id, package_id, target_id, method, object_instance, state, step_at, attempts, executions, tries,
        created_at, since, seen_seq, finished_at
    )
    SELECT 500000 + id, id, 1 + id % 300, 210000 + id, 'PULL', 0,
        CASE id % 3 WHEN 0 THEN 'QUEUED' ELSE 'SUCCEEDED' END, 1, 0, 0, 0, 1, 1, 0,
        CASE id % 3 WHEN 0 THEN NULL ELSE id END FROM endpoint
    """,
    "UPDATE endpoint SET update_id = 500000 + id WHERE id % 3 = 0",
    "UPDATE operation SET fleet_id = 210000 + endpoint_id WHERE seq % 3 = 0",
    "INSERT INTO endpoint_tag (endpoint_id, tag, overdue, name) SELECT id, 'tag', FALSE, name FROM endpoint",
    "INSERT INTO endpoint_object (endpoint_id, object_id, name) SELECT id, 5, name FROM endpoint",
)
SOME: Final = list(range(210_100, 210_110))
FEW: Final = list(range(100, 110))
UPDATES: Final = list(range(500_100, 500_110))
S: Final = CampaignTargetState
BY_STATE: Final = {"ix_campaign_target_state"}
BY_NUMBER: Final = {*BY_STATE, "uq_campaign_target_number", "campaign_target_pkey"}  # SQLite's names are all alike
LARGE: Final = "campaign_target|campaign_change|firmware_update|endpoint|endpoint_tag|endpoint_object|operation"


def cases() -> dict[str, tuple[str, list[Any], set[str]]]:
    """Return each statement with its values and the indexes that it may use; a database must be open for reading."""
    return {
        "targets that are due": (TARGETS + campaign_ends.DUE, [1, 3, 200], {"ix_campaign_target_due", *BY_STATE}),
        "ends of updates": (campaign_ends.UPDATES, [UPDATES], {"firmware_update_pkey"}),
        "ends of operations": (campaign_ends.OPERATIONS, [SOME], {"ix_operation_fleet"}),
        "targets that may begin": (TARGETS + campaign_starts.NEXT, [3, 900, 1, 100], BY_STATE),
        "whether one waits": (
            f"SELECT 1 FROM campaign_target t WHERE {campaign_starts.WAITING} LIMIT 1",
            [3, 9],
            BY_STATE,
        ),
        "open updates": (campaign_starts.UPDATING, [UPDATES], {"firmware_update_pkey"}),
        "other campaigns": (campaign_starts.TAKEN, [FEW, 3], {"ix_campaign_target_running"}),
        "targets in a state": (TARGETS + campaigns.IN_STATE.format(state="WAITING"), [3, 400], BY_STATE),
        "targets to retry": (TARGETS + campaigns.TO_RETRY.format(state="FAILED"), [3, 400, 1], BY_STATE),
        "success of a wave": (campaigns.OF_WAVE, [3, 100, 400], BY_NUMBER),
        "what is due": (DUE, [1, 500], {"ix_campaign_due", "ix_campaign_target_due"}),
        "a page of campaigns": (campaign_page_sql(None) or "", [900, 51], {"campaign_pkey"}),
        "campaigns in statuses": (
            campaign_page_sql([CampaignStatus.RUNNING, CampaignStatus.PAUSED]) or "",
            [900, 51],
            {"ix_campaign_status", "campaign_pkey"},
        ),
        "a page of targets": (target_page_sql(list(S)) or "", [3, 500, 51], BY_NUMBER),
        "targets in states": (target_page_sql([S.FAILED, S.RUNNING]) or "", [3, 500, 51], BY_NUMBER),
        "the target of an endpoint": (
            TARGET_OF_ENDPOINT,
            [3, 9],
            {"uq_campaign_target_endpoint", "campaign_target_pkey"},
        ),
        "targets by id": (TARGETS_BY_ID, [SOME], {"campaign_target_pkey"}),
        "operations of targets": (f"SELECT o.seq {OPERATIONS}", [SOME], {"campaign_target_pkey", "ix_operation_fleet"}),
        "changes to delete": (fleet_retention.CHANGES, [200], {"campaign_change_pkey"}),
        "updates to delete": (fleet_retention.UPDATES, [9, 200], {"ix_firmware_update_finished"}),
        "a campaign to delete": (
            fleet_retention.CAMPAIGN,
            [100],
            {"ix_campaign_status", "ix_campaign_change_campaign"},
        ),
        "its targets": (fleet_retention.TARGETS, [3, 200], BY_NUMBER),
        "packages to delete": (fleet_retention.PACKAGES, [100, 200], {"ix_firmware_update_package"}),
    }


def scanned(lines: list[str]) -> list[str]:
    """Return the lines that read a large table from one end to the other, in no order."""
    pattern = rf"Seq Scan on ({LARGE})\b" if on_postgres() else rf"SCAN ({LARGE}|t|u|e|o|l)\b(?!.*USING)"
    own = {
        line.split()[-1] for line in lines if "CO-ROUTINE" in line
    }  # SQLite names the rows of a subquery like a table
    return [line for line in lines if re.search(pattern, line) and line.split()[1] not in own]


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_statements_of_campaigns_have_their_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, (sql, values, indexes) in cases().items():
            lines = await plan(Statement(sql, list(values)))
            assert not scanned(lines), (name, lines)
            assert used_indexes(lines) & indexes, (name, lines)
        for criteria in (
            EndpointCriteria(name_contains="17"),
            EndpointCriteria(tags=("tag", "other")),
            EndpointCriteria(object_id=5, tags=()),
            EndpointCriteria(names=["device-1017", "device-1018"]),
        ):
            lines = await plan(campaign_listing.candidates(criteria, "device-1100", 200))
            assert not scanned(lines), (criteria, lines)
            lines = await plan(campaign_listing.matching(criteria, 3, FEW, postgres=on_postgres()))
            assert not scanned(lines), (criteria, lines)


@pytest.mark.asyncio
@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite has no plan that remains while a table grows")
async def test_plans_of_empty_tables_read_no_table_whole(many_rows_url: str) -> None:
    """A plan that the ledger made before the first campaign remains until the statistics are collected again."""
    await execute(many_rows_url, "ANALYZE")
    connection = await asyncpg.connect(many_rows_url, server_settings=LEDGER_PLANS)
    try:
        for number, sql in enumerate(
            (
                TARGETS + campaign_ends.DUE,
                campaign_ends.UPDATES,
                campaign_ends.OPERATIONS,
                TARGETS + campaign_starts.NEXT,
                campaign_starts.UPDATING,
            )
        ):
            await connection.execute(f"PREPARE of_campaigns_{number} AS {sql}")
            values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
            rows = await connection.fetch(f"EXPLAIN EXECUTE of_campaigns_{number} ({values})")
            lines = [row[0] for row in rows]
            unbounded = [
                line
                for line, following in zip(lines, [*lines[1:], ""], strict=True)
                if re.search(rf"Scan .*on ({LARGE})\b", line) and "Index Cond" not in following
            ]
            assert not unbounded, (sql, lines)
    finally:
        await connection.close()
