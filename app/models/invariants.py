"""The invariants that hold at every moment (``docs/lifecycle.md``), as queries for their violations."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.enums import OperationStatus, ReasonCode
from app.models.invariant import Invariant, Judge, Walk
from app.models.ledger.rows import STATUS_COLUMNS
from app.models.ledger.rules import SILENT_SHARE
from app.models.lifecycle import MOVES, STOPPING, TERMINAL
from app.models.operation_index import FILING
from app.models.queue_order import HISTORY, QUEUE, left_waiting, overtaken


def _words(statuses: Sequence[OperationStatus | ReasonCode]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


_ALLOWED: Final = " OR ".join(
    f"(t.from_status {'IS NULL' if before is None else f'= {before.value!r}'} AND t.to_status IN ({_words([*after])}))"
    for before, after in MOVES.items()
    if after
)
_TERMINAL: Final = _words([*TERMINAL])
_PERHAPS: Final = _words([ReasonCode.NO_ANSWER, ReasonCode.LEASE_LOST, ReasonCode.OUTCOME_UNKNOWN])
_COUNTS: Final = ", ".join(
    f"sum(CASE WHEN status = '{status}' THEN 1 ELSE 0 END) AS {column}" for status, column in STATUS_COLUMNS.items()
)
_SUMS: Final = ", ".join(f"coalesce(sum({column}), 0) AS {column}" for column in STATUS_COLUMNS.values())


def _differ(left: str, right: str) -> str:
    return " OR ".join(f"{left}.{column} <> coalesce({right}.{column}, 0)" for column in STATUS_COLUMNS.values())


INVARIANTS: Final = (
    Invariant(
        1,
        "its transitions are not numbered 1..n up to its version, or the last is not its last",
        """
        SELECT o.seq AS who FROM operation o LEFT JOIN (
            SELECT operation_id, count(*) AS steps, min(number) AS first, max(number) AS last, max(seq) AS newest
            FROM transition WHERE operation_id > $1 AND operation_id <= $2 GROUP BY operation_id
        ) t ON t.operation_id = o.seq
        WHERE o.seq > $1 AND o.seq <= $2 AND (
            t.steps IS NULL OR t.first <> 1 OR t.steps <> o.version OR t.last <> o.version OR t.newest <> o.last_seq
        )
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        1,
        "a transition does not go on where the one before it ended, or is older than it",
        """
        SELECT t.operation_id AS who FROM transition t
        LEFT JOIN transition p ON p.operation_id = t.operation_id AND p.number = t.number - 1
        WHERE t.operation_id > $1 AND t.operation_id <= $2 AND t.number > 1
          AND (p.seq IS NULL OR p.to_status <> t.from_status OR p.seq >= t.seq OR p.attempt > t.attempt)
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        1,
        "a transition is no move of the lifecycle",
        f"""
        SELECT t.operation_id AS who FROM transition t
        WHERE t.operation_id > $1 AND t.operation_id <= $2 AND NOT ({_ALLOWED})
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        1,
        "it has transitions and is not there",
        """
        SELECT DISTINCT t.operation_id AS who FROM transition t LEFT JOIN operation o ON o.seq = t.operation_id
        WHERE t.operation_id > $1 AND t.operation_id <= $2 AND o.seq IS NULL
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        1,
        "its last transition does not equal the row",
        """
        SELECT o.seq AS who FROM operation o JOIN transition t ON t.seq = o.last_seq
        WHERE o.seq > $1 AND o.seq <= $2 AND (
            t.operation_id <> o.seq OR t.to_status <> o.status OR t.attempt <> o.attempt
            OR coalesce(t.reason, '') <> coalesce(o.reason, '') OR coalesce(t.detail, '') <> coalesce(o.detail, '')
            OR coalesce(o.finished_at, t.at) <> t.at
        )
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        2,
        "finishedAt is not there exactly when it has ended",
        f"""
        SELECT seq AS who FROM operation
        WHERE seq > $1 AND seq <= $2 AND (finished_at IS NOT NULL) <> (status IN ({_TERMINAL}))
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        2,
        "it is SENDING without the lease of its endpoint",
        """
        SELECT o.seq AS who FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
        WHERE o.status = 'SENDING' AND (e.lease_operation IS NULL OR e.lease_operation <> o.seq)
        """,
    ),
    Invariant(
        2,
        "its endpoint's lease is for an operation that is not SENDING",
        """
        SELECT e.lease_operation AS who FROM endpoint e LEFT JOIN operation o ON o.seq = e.lease_operation
        WHERE e.lease_operation IS NOT NULL AND (o.seq IS NULL OR o.status <> 'SENDING' OR o.endpoint_id <> e.id)
        """,
    ),
    Invariant(
        2,
        "an endpoint's counters do not equal what they count",
        f"""
        SELECT e.name AS who FROM endpoint e LEFT JOIN (
            SELECT endpoint_id, {_COUNTS} FROM operation WHERE endpoint_id > $1 AND endpoint_id <= $2
            GROUP BY endpoint_id
        ) c ON c.endpoint_id = e.id
        WHERE e.id > $1 AND e.id <= $2 AND ({_differ("e", "c")})
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        2,
        "a Leshan server's counters do not equal the sums of its endpoints'",
        f"""
        SELECT s.name AS who FROM leshan_server s LEFT JOIN (
            SELECT server_id, {_SUMS} FROM endpoint GROUP BY server_id
        ) c ON c.server_id = s.id
        WHERE {_differ("s", "c")}
        """,
    ),
    Invariant(
        2,
        "an endpoint's mark of being paused and its pauses do not agree",
        """
        SELECT e.name AS who FROM endpoint e
        WHERE e.id > $1 AND e.id <= $2 AND e.paused <> EXISTS (
            SELECT 1 FROM dispatch_pause p WHERE p.endpoint_id = e.id AND p.resumed_at IS NULL
        )
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        2,
        "a batch's counter does not equal its operations, as far as none was pruned",
        f"""
        SELECT name AS who FROM (
            SELECT b.name, b.created, b.id > h.horizon AS complete, (
                SELECT count(*) FROM {FILING} f JOIN operation o ON o.seq = f.seq
                WHERE f.batch = b.name AND o.fingerprint = b.fingerprint
            ) AS stored
            FROM operation_batch b CROSS JOIN ledger_head h WHERE b.id > $1 AND b.id <= $2
        ) batches
        WHERE stored > created OR (complete AND stored < created)
        """,
        Walk.BATCHES,
    ),
    Invariant(
        3,
        "more than one operation of an endpoint is SENDING",
        """
        SELECT endpoint_id AS who FROM operation WHERE status = 'SENDING' GROUP BY endpoint_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        4,
        "it has more counted attempts than it may have, or than were made",
        """
        SELECT seq AS who FROM operation
        WHERE seq > $1 AND seq <= $2 AND (attempts > max_attempts OR attempts > attempt)
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        5,
        "it may not be repeated, and was queued again after an attempt that the device may have had",
        f"""
        SELECT DISTINCT o.seq AS who FROM operation o JOIN transition t ON t.operation_id = o.seq
        WHERE o.seq > $1 AND o.seq <= $2 AND NOT o.repeatable
          AND t.from_status = 'SENDING' AND t.to_status = 'QUEUED' AND (t.reason IS NULL OR t.reason IN ({_PERHAPS}))
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        5,
        "it may not be repeated, and goes on though the device may have had it",
        """
        SELECT seq AS who FROM operation
        WHERE seq > $1 AND seq <= $2 AND NOT repeatable AND delivery = 'MAY_HAVE_REACHED' AND status <> 'FAILED'
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        6,
        "one of its endpoint and priority that was queued later was sent before it",
        """
        SELECT endpoint_id AS who FROM (
            SELECT o.endpoint_id, o.expires_at, t.seq AS gone,
                   min(CASE WHEN t.to_status = 'SENDING' THEN t.seq END) OVER later AS overtaken,
                   min(CASE WHEN t.to_status = 'SENDING' THEN t.at END) OVER later AS overtaken_at
            FROM operation o LEFT JOIN transition t ON t.operation_id = o.seq AND t.number = 2
            WHERE o.endpoint_id > $1 AND o.endpoint_id <= $2
            WINDOW later AS (PARTITION BY o.endpoint_id, o.priority ORDER BY o.seq DESC
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) queue
        WHERE (gone IS NULL OR gone > overtaken) AND overtaken IS NOT NULL
          AND (expires_at IS NULL OR expires_at > overtaken_at)
        UNION
        SELECT o.endpoint_id AS who FROM operation o JOIN transition t ON t.operation_id = o.seq
        WHERE o.endpoint_id > $1 AND o.endpoint_id <= $2 AND o.attempts > 0 AND o.delivery = 'ANSWERED'
          AND t.to_status = 'QUEUED' AND t.reason = 'DEVICE_ERROR'
        """,
        Walk.ENDPOINTS,
        judge=Judge(HISTORY, overtaken),
    ),
    Invariant(
        6,
        "it was sent after a turn-ender, before the device was back",
        """
        SELECT o.seq AS who FROM endpoint e JOIN operation o ON o.endpoint_id = e.id
        WHERE e.id > $1 AND e.id <= $2 AND e.down_since IS NOT NULL AND o.last_attempt_at > e.down_since
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        7,
        "a lease is long past its end",
        "SELECT name AS who FROM endpoint WHERE lease_operation IS NOT NULL AND lease_until < $1",
        given=("overdue",),
    ),
    Invariant(
        7,
        "it is QUEUED long past its expiresAt",
        "SELECT seq AS who FROM operation WHERE status = 'QUEUED' AND expires_at IS NOT NULL AND expires_at < $1",
        given=("overdue",),
    ),
    Invariant(
        7,
        "its presence was to be checked long ago",
        "SELECT name AS who FROM endpoint WHERE presence_due_at < $1",
        given=("overdue",),
    ),
    Invariant(
        7,
        "whether it is overdue was to be checked long ago",
        "SELECT name AS who FROM endpoint WHERE overdue_check_at < $1",
        given=("overdue",),
    ),
    Invariant(
        7,
        "an endpoint could have been called for long, while calls were free",
        f"""
        WITH calls AS (
            SELECT server_id, count(*) AS open, sum(CASE WHEN silent THEN 1 ELSE 0 END) AS silent FROM endpoint
            WHERE lease_operation IS NOT NULL AND call_open GROUP BY server_id
        ), server AS (
            SELECT s.id, coalesce(c.open, 0) AS open, coalesce(c.silent, 0) AS silent,
                   CASE WHEN s.open_calls < $3 THEN s.open_calls ELSE $3 END AS most
            FROM leshan_server s LEFT JOIN calls c ON c.server_id = s.id WHERE s.breaker_opened_at IS NULL
        )
        SELECT e.id AS who FROM endpoint e JOIN server s ON s.id = e.server_id
        WHERE e.presence = 'ONLINE' AND e.awake_until >= $2 AND e.last_seen_at < $1
          AND e.queued > 0 AND e.lease_operation IS NULL AND e.down_since IS NULL
          AND (e.not_before IS NULL OR e.not_before < $1)
          AND (e.held_wake_seq IS NULL OR e.wake_seq > e.held_wake_seq
               OR e.retry_at < $1 OR (e.retry_at IS NULL AND e.queue_mode = FALSE))
          AND s.open < s.most
          AND (NOT e.silent OR
               s.silent < CASE WHEN s.most < {2 * SILENT_SHARE} THEN 1 ELSE s.most / {SILENT_SHARE} END)
          AND NOT EXISTS (SELECT 1 FROM dispatch_pause p
                          WHERE (p.resumed_at IS NULL OR p.resumed_at >= $1)
                            AND (p.server_id IS NULL OR p.server_id = s.id)
                            AND (p.endpoint_id IS NULL OR p.endpoint_id = e.id))
          AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.endpoint_id = e.id AND o.last_attempt_at >= $1)
          AND EXISTS (SELECT 1 FROM operation o
                      WHERE o.endpoint_id = e.id AND o.status = 'QUEUED' AND o.created_at < $1)
        """,
        given=("overdue", "window", "calls"),
        judge=Judge(QUEUE, left_waiting),
    ),
    Invariant(
        8,
        "it is CONFIRMED without an answer of the device that says success",
        """
        SELECT seq AS who FROM operation
        WHERE seq > $1 AND seq <= $2 AND status = 'CONFIRMED' AND (
            delivery <> 'ANSWERED'
            OR (coalesce(device_status, '') NOT LIKE '%(2__)'
                AND NOT (kind = 'DELETE' AND coalesce(detail, '') = 'already gone')
                AND NOT (kind IN ('CANCEL_OBSERVE', 'CANCEL_OBSERVE_COMPOSITE') AND device_status IS NULL))
        )
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        10,
        "it goes on although an earlier operation of its sequence ended otherwise than CONFIRMED",
        f"""
        SELECT seq AS who FROM (
            SELECT o.seq, o.status, sum(CASE WHEN o.status IN ({_words([*STOPPING])}) THEN 1 ELSE 0 END) OVER (
                PARTITION BY o.endpoint_id, o.sequence ORDER BY o.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS stopping
            FROM operation o WHERE o.endpoint_id > $1 AND o.endpoint_id <= $2 AND o.sequence IS NOT NULL
        ) members
        WHERE status IN ('QUEUED', 'SENDING') AND stopping > 0
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        10,
        "it was sent before the end of the operation before it in its sequence",
        """
        SELECT seq AS who FROM (
            SELECT o.seq, t.seq AS sent, lag(o.seq) OVER earlier AS before,
                   lag(o.finished_at) OVER earlier AS finished_at, lag(o.last_seq) OVER earlier AS ended
            FROM operation o LEFT JOIN transition t
                 ON t.operation_id = o.seq AND t.number = 2 AND t.to_status = 'SENDING'
            WHERE o.endpoint_id > $1 AND o.endpoint_id <= $2 AND o.sequence IS NOT NULL
            WINDOW earlier AS (PARTITION BY o.endpoint_id, o.sequence ORDER BY o.seq)
        ) steps
        WHERE sent IS NOT NULL AND before IS NOT NULL AND (finished_at IS NULL OR ended > sent)
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        11,
        "an attempt began before its notBefore",
        """
        SELECT DISTINCT o.seq AS who FROM operation o JOIN transition t ON t.operation_id = o.seq
        WHERE o.seq > $1 AND o.seq <= $2 AND o.not_before IS NOT NULL
          AND t.from_status = 'QUEUED' AND t.to_status = 'SENDING' AND t.at < o.not_before
        """,
        Walk.OPERATIONS,
    ),
    Invariant(
        12,
        "an endpoint has more than one operation of a batch that was created by a filter",
        """
        SELECT e.name AS who FROM operation o
        JOIN operation_batch b ON b.name = o.batch AND b.fingerprint = o.fingerprint
        JOIN endpoint e ON e.id = o.endpoint_id
        WHERE o.endpoint_id > $1 AND o.endpoint_id <= $2 AND o.batch IS NOT NULL
        GROUP BY e.name, b.id HAVING count(*) > 1
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        13,
        "its rows in the table of tags do not equal its tags",
        """
        SELECT e.name AS who FROM endpoint e LEFT JOIN (
            SELECT endpoint_id, count(*) AS rows, sum(CASE WHEN overdue THEN 1 ELSE 0 END) AS overdue,
                   min(name) AS first, max(name) AS last
            FROM endpoint_tag WHERE endpoint_id > $1 AND endpoint_id <= $2 GROUP BY endpoint_id
        ) t ON t.endpoint_id = e.id
        WHERE e.id > $1 AND e.id <= $2 AND (
            coalesce(t.rows, 0) <> CASE WHEN e.tags IS NULL THEN 0
                ELSE 1 + (length(e.tags) - length(replace(e.tags, '","', ''))) / 3 END
            OR t.overdue <> CASE WHEN e.overdue THEN t.rows ELSE 0 END OR t.first <> e.name OR t.last <> e.name
        )
        """,
        Walk.ENDPOINTS,
    ),
    Invariant(
        13,
        "it is deleted, and has a registration, a lease, a tag, an object or a contact to come",
        """
        SELECT e.name AS who FROM endpoint e
        WHERE e.deleted_at IS NOT NULL AND (
            e.presence <> 'OFFLINE' OR e.registered_at IS NOT NULL OR e.lease_operation IS NOT NULL
            OR e.ready_at IS NOT NULL OR e.paused OR e.overdue OR e.overdue_check_at IS NOT NULL
            OR e.tags IS NOT NULL OR e.object_links IS NOT NULL
            OR EXISTS (SELECT 1 FROM endpoint_object x WHERE x.endpoint_id = e.id)
        )
        """,
    ),
)
