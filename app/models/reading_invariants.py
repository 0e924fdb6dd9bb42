"""The invariants of readings, beside those of operations in :mod:`app.models.invariants`."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from typing import Final

from app.domain.enums import SECOND
from app.models.invariant import Invariant, Walk
from app.models.ledger.aggregates import COMPLETE_FROM, SUMMED
from app.models.ledger.readings import CLOCK_AHEAD

# `+ 0` prevents PostgreSQL from reading all readings along the index on `seq`; `stored_at` selects the partitions.
_DERIVED: Final = SUMMED.format(
    more=", sum(abs(number)) AS magnitude",
    condition=f"""endpoint_id > $1 AND endpoint_id <= $2 AND seq + 0 <= (SELECT aggregated FROM ledger_head)
        AND at >= $4 AND stored_at >= $4 - {CLOCK_AHEAD}""",
)
_CHECKED: Final = f"hour >= ({COMPLETE_FROM}) AND hour >= $3 AND hour >= $4"
_NAMED: Final = f"e.name || ' ' || h.path || ', hour from ' || (h.hour / {SECOND}) || ' s since the epoch'"

READING_INVARIANTS: Final = (
    Invariant(
        15,
        "the hourly aggregate does not equal its readings",
        f"""
        WITH derived AS (
            SELECT * FROM ({_DERIVED}) AS d WHERE {_CHECKED}
        ), stored AS (
            SELECT * FROM reading_hour WHERE endpoint_id > $1 AND endpoint_id <= $2 AND {_CHECKED}
        ), differing AS (
            SELECT s.endpoint_id, s.path, s.hour FROM stored s LEFT JOIN derived d
                ON d.endpoint_id = s.endpoint_id AND d.path = s.path AND d.hour = s.hour
            WHERE d.hour IS NULL OR d.count <> s.count OR d.numbers <> s.numbers
                OR d.last_at <> s.last_at OR d.last_value <> s.last_value
                OR (d.numbers > 0 AND (
                    s.low IS NULL OR s.high IS NULL OR s.total IS NULL OR d.low <> s.low OR d.high <> s.high
                    OR abs(d.total - s.total) > 1e-9 * d.magnitude
                ))
                OR (d.numbers = 0 AND (s.low IS NOT NULL OR s.high IS NOT NULL OR s.total IS NOT NULL))
            UNION ALL
            SELECT d.endpoint_id, d.path, d.hour FROM derived d LEFT JOIN stored s
                ON d.endpoint_id = s.endpoint_id AND d.path = s.path AND d.hour = s.hour
            WHERE s.hour IS NULL
        )
        SELECT {_NAMED} AS who FROM differing h JOIN endpoint e ON e.id = h.endpoint_id
        """,
        Walk.ENDPOINTS_WITH_READINGS,
        given=("aggregates", "readings"),
    ),
    Invariant(
        16,
        "the state does not equal the newest reading",
        """
        SELECT e.name || ' ' || s.path AS who FROM resource_state s JOIN endpoint e ON e.id = s.endpoint_id
        JOIN reading r ON r.endpoint_id = s.endpoint_id AND r.path = s.path AND r.seq = (
            SELECT n.seq FROM reading n WHERE n.endpoint_id = s.endpoint_id AND n.path = s.path
            ORDER BY n.at DESC, n.seq DESC LIMIT 1
        )
        WHERE s.endpoint_id > $1 AND s.endpoint_id <= $2 AND (
            s.at < r.at OR (s.at = r.at AND (s.value <> r.value OR s.type <> r.type))
            OR (s.at > r.at AND (SELECT reading_horizon FROM ledger_head) = 0)
        )
        """,
        Walk.ENDPOINTS_WITH_READINGS,
    ),
    Invariant(
        17,
        "the mark of aggregated readings, the horizon of readings or a reading is beyond the log's head",
        """
        SELECT seq AS who FROM ledger_head
        WHERE aggregated > seq OR reading_horizon > seq
            OR seq < (SELECT r.seq FROM reading r ORDER BY r.seq DESC LIMIT 1)
        """,
    ),
)
