"""Lists of firmware updates, campaigns and targets, and their log, are read along indexes, however long they are."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

import pytest

from app.domain.enums import CampaignStatus, CampaignTargetState, FirmwareUpdateState
from app.models.database import reading
from app.models.operation import Operation
from app.models.queries import OperationCriteria, campaigns, firmware_updates
from app.models.queries.access import Statement, on_postgres
from app.models.queries.firmware_updates import FirmwareUpdateCriteria, firmware_update_statement
from app.models.queries.log import log_sql
from app.models.queries.operations import operation_statement
from app.models.queries.views import CampaignChangeView, columns
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, END, plan, statistics, used_indexes

FILL: Final = (
    "INSERT INTO firmware_package (id, name, version, created_at, key) VALUES (1, 'p', '1', 1, 'k')",
    """
    INSERT INTO firmware_update (id, endpoint_id, package_id, method, object_instance, state, step_at, attempts,
        executions, tries, created_at, since, seen_seq, finished_at)
    SELECT seq, endpoint_id, 1, 'PULL', 0, CASE WHEN seq % 500 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 0, 0, 0, 1, 1,
        0, 1
    FROM operation
    """,
    """
    INSERT INTO campaign (id, server_id, name, status, given_filter, criteria, continuous, package_id, waves, wave,
        wave_accepted, retries, created_at, waiting, running, succeeded, failed, canceled, skipped)
    SELECT id, 1, 'c' || id, CASE WHEN id % 500 = 0 THEN 'ABORTED' ELSE 'COMPLETED' END, '{}', '{}', FALSE, 1, '[]', 1,
        0, 0, 1, 0, 0, 0, 0, 0, 0
    FROM endpoint
    """,
    """
    INSERT INTO campaign_target (id, campaign_id, endpoint_id, number, state, attempts, work, changed_at)
    SELECT seq, 1 + (seq / 2) % 10, endpoint_id, seq, CASE WHEN seq % 500 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 1,
        1
    FROM operation WHERE seq < 7000
    """,
    """
    INSERT INTO campaign_change (seq, campaign_id, target_id, at)
    SELECT 300000 + seq, 1 + seq % 10, 1, 1 FROM operation
    """,
    "UPDATE operation SET fleet_id = seq WHERE seq % 10 = 0",
    "UPDATE ledger_head SET seq = 400000",
)
KEYS: Final = [[1_010, 1_020, 1_030]]


def whole(lines: list[str]) -> list[str]:
    """Return the lines that read a whole table in no order of an index."""
    if on_postgres():
        return [line for line in lines if "Seq Scan on" in line and "ledger_head" not in line]
    return [line for line in lines if re.match(r"SCAN [celnotu]\b(?!.*USING)", line)]


def pages() -> list[tuple[str, Statement, set[str]]]:
    """Return the pages of each list: name, statement, and the indexes of which one has to be used."""
    found: list[tuple[str, Statement, set[str]]] = []
    states = (None, [FirmwareUpdateState.FAILED], [FirmwareUpdateState.FAILED, FirmwareUpdateState.SUCCEEDED])
    for endpoint, wanted in itertools.product((None, "device-1007"), states):
        criteria = FirmwareUpdateCriteria(endpoint, wanted)
        indexes = {"ix_firmware_update_endpoint"} if endpoint else {"ix_firmware_update_state"}
        indexes = indexes if endpoint or wanted else {"firmware_update_pkey"}
        found.append((f"updates {criteria}", firmware_update_statement(criteria, END, 51), indexes))
    for statuses in (None, [CampaignStatus.ABORTED], [CampaignStatus.ABORTED, CampaignStatus.COMPLETED]):
        sql = campaigns.campaign_page_sql(statuses) or ""
        indexes = {"ix_campaign_status"} if statuses else {"campaign_pkey"}
        found.append((f"campaigns {statuses}", Statement(sql, [END, 51]), indexes))
    every = [*CampaignTargetState]
    for of_targets in (
        every,
        [CampaignTargetState.FAILED],
        [CampaignTargetState.FAILED, CampaignTargetState.SUCCEEDED],
    ):
        sql = campaigns.target_page_sql(of_targets) or ""
        indexes = {"uq_campaign_target_number" if of_targets is every else "ix_campaign_target_state"}
        indexes |= set() if on_postgres() else {"campaign_target_pkey"}  # SQLite's name of any unique index
        found.append((f"targets {of_targets}", Statement(sql, [3, 0, 51]), indexes))
    operations = operation_statement(OperationCriteria(fleet_id=1_010), END, 51)
    found.append(("operations of an update", operations, {"ix_operation_fleet"}))
    return found


def rows() -> list[tuple[str, Statement, set[str]]]:
    """Return the statements that read rows by keys."""
    operations = f"SELECT {columns(Operation, 'o')} {campaigns.OPERATIONS}"
    log = log_sql((CampaignChangeView,), "campaign_change l", (), postgres=on_postgres())
    of_one = log_sql((CampaignChangeView,), "campaign_change l", ("l.campaign_id = $4",), postgres=on_postgres())
    position: list[Any] = [301_000, 302_000, 500]
    return [
        ("updates by id", Statement(firmware_updates.BY_ID, KEYS), {"firmware_update_pkey"}),
        ("newest updates", Statement(firmware_updates.NEWEST, [[7, 8, 9]]), {"ix_firmware_update_endpoint"}),
        ("targets by id", Statement(campaigns.TARGETS_BY_ID, KEYS), {"campaign_target_pkey"}),
        ("operations of targets", Statement(operations, KEYS), {"ix_operation_fleet"}),
        ("the log", Statement(log, position), {"campaign_change_pkey"}),
        ("the log of one", Statement(of_one, [*position, 3]), {"ix_campaign_change_campaign", "campaign_change_pkey"}),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("analyze", ANALYZED)
async def test_lists_of_fleet_work_are_read_along_indexes(many_rows_url: str, analyze: bool) -> None:
    await execute(many_rows_url, *FILL, *statistics(analyze))
    async with reading(many_rows_url):
        for name, statement, wanted in [*pages(), *rows()]:
            lines = await plan(statement)
            assert not whole(lines), (name, lines)
            assert wanted & used_indexes(lines), (name, lines)
