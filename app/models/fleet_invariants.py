"""The invariants of firmware updates and campaigns, beside those of operations in :mod:`app.models.invariants`."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.enums import CampaignTargetState, Instant
from app.models.fields import load_json
from app.models.invariant import Invariant, Judge, Walk
from app.models.queue_order import Rows

_COLUMNS: Final = {state: state.lower() for state in CampaignTargetState}
_COUNTS: Final = ", ".join(
    f"sum(CASE WHEN state = '{state}' THEN 1 ELSE 0 END) AS {column}" for state, column in _COLUMNS.items()
)
_DIFFER: Final = " OR ".join(f"c.{column} <> coalesce(t.{column}, 0)" for column in _COLUMNS.values())

_LAST_RUNNING: Final = """
    SELECT c.name, c.wave, c.wave_ends, max(t.number) AS last
    FROM campaign c JOIN campaign_target t ON t.campaign_id = c.id AND t.state = 'RUNNING'
    WHERE c.id = $1 GROUP BY c.name, c.wave, c.wave_ends
"""


def _beyond_wave(rows: Rows, now: Instant, overdue: Instant) -> Sequence[object]:  # noqa: ARG001 - as every judge
    """Return the campaign if a running target is in a wave that has not begun."""
    return [
        row["name"]
        for row in rows
        if row["wave_ends"] is None or row["last"] > load_json(row["wave_ends"])[row["wave"] - 1]
    ]


FLEET_INVARIANTS: Final = (
    Invariant(
        7,
        "there was something to do for it long ago, and it was not done",
        """
        SELECT 'campaign ' || name AS who FROM campaign WHERE due_at < $1
        UNION ALL
        SELECT 'target ' || id AS who FROM campaign_target WHERE due_at < $1 AND state = 'RUNNING'
        UNION ALL
        SELECT 'firmware update ' || id AS who FROM firmware_update WHERE due_at < $1
        """,
        given=("overdue",),
    ),
    Invariant(
        18,
        "an endpoint's firmware update and its mark of it do not agree",
        """
        SELECT e.name AS who FROM endpoint e
        LEFT JOIN firmware_update u ON u.endpoint_id = e.id AND u.finished_at IS NULL
        WHERE e.id > $1 AND e.id <= $2 AND coalesce(e.update_id, 0) <> coalesce(u.id, 0)
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        19,
        "a campaign's counters do not equal its targets",
        f"""
        SELECT c.name AS who FROM campaign c LEFT JOIN (
            SELECT campaign_id, {_COUNTS} FROM campaign_target WHERE campaign_id > $1 AND campaign_id <= $2
            GROUP BY campaign_id
        ) t ON t.campaign_id = c.id
        WHERE c.id > $1 AND c.id <= $2 AND ({_DIFFER})
        """,
        Walk.CAMPAIGNS,
    ),
    Invariant(
        20,
        "an endpoint is a running target of two campaigns of one kind",
        """
        SELECT e.name AS who FROM campaign_target t
        JOIN campaign c ON c.id = t.campaign_id JOIN endpoint e ON e.id = t.endpoint_id
        WHERE t.endpoint_id > $1 AND t.endpoint_id <= $2 AND t.state = 'RUNNING'
        GROUP BY e.name, c.package_id IS NULL HAVING count(*) > 1
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        21,
        "a target runs whose wave has not begun",
        "SELECT c.id AS who FROM campaign c WHERE c.id > $1 AND c.id <= $2 AND c.running > 0",
        Walk.CAMPAIGNS,
        judge=Judge(_LAST_RUNNING, _beyond_wave),
    ),
    Invariant(
        22,
        "a running target has no work that has not ended, and is not due",
        """
        SELECT c.name || ' ' || e.name AS who FROM campaign_target t
        JOIN campaign c ON c.id = t.campaign_id JOIN endpoint e ON e.id = t.endpoint_id
        WHERE t.endpoint_id > $1 AND t.endpoint_id <= $2 AND t.state = 'RUNNING' AND t.due_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM firmware_update u
                          WHERE u.id = t.work AND u.target_id = t.id AND u.finished_at IS NULL)
          AND NOT EXISTS (SELECT 1 FROM operation o
                          WHERE o.fleet_id = t.id AND o.seq >= t.work AND o.status IN ('QUEUED', 'SENDING'))
        """,
        Walk.ENDPOINTS,
    ),
)
