"""Counters for the metrics: endpoints by presence, open operations by the reason of their last attempt, observations
and open firmware updates by state. No reader has to count the rows of a table.

Each group of the ledger adds its differences in its own transaction. A process of an earlier version does not, so a
dispatcher compares the counters with the rows once an hour, in one statement that sees one moment, and the ledger adds
the difference: that is right whatever was committed in between, because a commit changes the rows and the counters
alike.
"""

from __future__ import annotations

from typing import Final

from app.domain.enums import FirmwareUpdateState, ObservationState, OperationStatus, Presence, ReasonCode
from app.domain.firmware import STATES
from app.models.lifecycle import TERMINAL

CHECKED: Final = "checked"
"""The counter that is no count: when the others were last compared with the rows. Before that they are unknown."""

OPEN: Final = tuple(status for status in OperationStatus if status not in TERMINAL)
PRESENCES: Final = {presence: f"presence {presence}" for presence in Presence}
OBSERVATIONS: Final = {state: f"observation {state}" for state in ObservationState}
UPDATES: Final = {state: f"update {state}" for state in FirmwareUpdateState if state in STATES.values()}
REASONS: Final = {(status, reason): f"reason {status} {reason}" for status in OPEN for reason in ReasonCode}
"""The names of the counters. Open operations without a reason are the rest of those with their status."""

COUNTERS: Final = "SELECT name, value FROM ledger_counter WHERE server_id = $1"

DIFFERENCES: Final = """
    SELECT name, CAST(sum(counted) AS BIGINT) FROM (
        SELECT 'presence ' || presence AS name, count(*) AS counted
        FROM endpoint WHERE server_id = $1 AND deleted_at IS NULL GROUP BY presence
        UNION ALL
        SELECT 'reason ' || o.status || ' ' || o.reason, count(*)
        FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
        WHERE e.server_id = $1 AND o.status IN ('QUEUED', 'SENDING') AND o.reason IS NOT NULL
        GROUP BY o.status, o.reason
        UNION ALL
        SELECT 'observation ' || o.state, count(*)
        FROM observation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.server_id = $1 GROUP BY o.state
        UNION ALL
        SELECT 'update ' || u.state, count(*)
        FROM firmware_update u JOIN endpoint e ON e.id = u.endpoint_id
        WHERE e.server_id = $1 AND u.finished_at IS NULL GROUP BY u.state
        UNION ALL
        SELECT name, -value FROM ledger_counter WHERE server_id = $1 AND name <> 'checked'
    ) counters GROUP BY name HAVING sum(counted) <> 0
    UNION ALL
    SELECT name, value FROM ledger_counter WHERE server_id = $1 AND name = 'checked'
"""
"""What must be added to each counter so that it equals the rows, and when that was last done."""
