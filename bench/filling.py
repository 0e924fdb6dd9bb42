"""Insert very many operations into a database in a few statements, bypassing the ledger; its invariants hold."""

from __future__ import annotations

from typing import Final

from app.models.ledger.store import Store

FAR: Final = 4_000_000_000_000_000
"""An instant that never comes (microseconds)."""

AT_A_TIME: Final = 50_000
"""Operations per statement: on the ledger's connection PostgreSQL cancels a statement after 10 s."""

PATIENCE: Final = 600.0
"""Seconds that the store waits for a statement: ANALYZE takes more than the ledger's 5 s."""

_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT {after} + 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"

_ENDPOINTS: Final = """
    INSERT INTO endpoint (id, server_id, name, presence, told_presence, last_seen_at, awake_until, wake_seq, ready_at,
        queue_mode, queued, confirmed, registration_id, registered_at)
    {numbers}
    SELECT {first} + i, 1, '{prefix}-' || i, 'ONLINE', 'ONLINE', 1, {far}, 1, {ready}, FALSE, {queued}, {confirmed},
        '{prefix}-' || i, 1
    FROM n
"""
_OPERATIONS: Final = """
    INSERT INTO operation (seq, id, endpoint_id, kind, path, paths, value_type, value, replace, priority, max_attempts,
        repeatable, validated, timeout_seconds, created_at, status, version, last_seq, attempt, attempts, delivery,
        device_status, finished_at)
    {numbers}
    SELECT {first} + {seqs} * i, {id}, {endpoint} + i % {endpoints}, 'WRITE', '/5/0/1', '["/5/0/1"]', 'STRING', '"x"',
        TRUE, 0, 3, TRUE, FALSE, 30, {created} + {first} + i, {end}
    FROM n
"""
_QUEUED: Final = "'QUEUED', 1, {first} + {seqs} * i + 1, 0, 0, 'NOT_SENT', NULL, NULL"
_CONFIRMED: Final = """'CONFIRMED', 3, {first} + {seqs} * i + 3, 1, 1, 'ANSWERED', 'CHANGED(204)',
        1700000000000000 + {first} + i"""
STEPS: Final = 3
"""Transitions of an operation that has ended here: queued, sent, confirmed."""

_TRANSITIONS: Final = """
    INSERT INTO transition (seq, operation_id, number, from_status, to_status, attempt, at)
    SELECT seq + {number}, seq, {number}, {before}, '{to}', {attempt}, created_at FROM operation
    WHERE seq > $1 AND seq <= $2 AND version >= {number}
"""
_HISTORY: Final = (
    {"number": 1, "before": "NULL", "to": "QUEUED", "attempt": 0},
    {"number": 2, "before": "'QUEUED'", "to": "SENDING", "attempt": 1},
    {"number": 3, "before": "'SENDING'", "to": "CONFIRMED", "attempt": 1},
)


async def fill(store: Store, prefix: str, endpoints: int, operations: int, *, ended: bool = False) -> None:
    """Insert so many operations, QUEUED or CONFIRMED (in 2023), of so many endpoints that are awake forever. The QUEUED
    ones are created in the future: the check examines all of them, and none is late."""
    await store.begin(PATIENCE)
    head = int((await store.fetch("SELECT seq FROM ledger_head"))[0][0])
    sql = "INSERT INTO leshan_server (id, name) VALUES (1, 'leshan') ON CONFLICT DO NOTHING"
    await store.execute(sql)
    each = operations // endpoints
    queued, confirmed = (0, each) if ended else (each, 0)
    facts = {"prefix": prefix, "first": head, "far": FAR, "queued": queued, "confirmed": confirmed}
    ready = "NULL" if ended else "0"
    numbers = _NUMBERS.format(after=0, count=endpoints)
    await store.execute(_ENDPOINTS.format(numbers=numbers, ready=ready, **facts))
    first, seqs = head + endpoints, 1 + STEPS if ended else 2
    for after in range(0, each * endpoints, AT_A_TIME):
        count = min(after + AT_A_TIME, each * endpoints)
        await store.execute(_operations(store, head, endpoints, (after, count), ended=ended))
        for step in _HISTORY[: STEPS if ended else 1]:
            await store.execute(_TRANSITIONS.format(**step), first + seqs * after, first + seqs * count)
    counted = "UPDATE leshan_server SET queued = queued + $1, confirmed = confirmed + $2"
    await store.execute(counted, queued * endpoints, confirmed * endpoints)
    await store.execute("UPDATE ledger_head SET seq = $1", first + seqs * (each * endpoints + 1))
    await store.commit()
    await store.execute("ANALYZE")


def _operations(store: Store, head: int, endpoints: int, numbers: tuple[int, int], *, ended: bool) -> str:
    number = f"(100000000000 + {head + endpoints} + i)"
    id_ = f"'00000000-0000-0000-0000-' || {number}"
    created = 1_700_000_000_000_000 if ended else FAR
    facts = {"first": head + endpoints, "seqs": 1 + STEPS if ended else 2, "created": created}
    return _OPERATIONS.format(
        numbers=_NUMBERS.format(after=numbers[0], count=numbers[1]),
        id=f"CAST({id_} AS UUID)" if store.postgres else id_,
        endpoint=head + 1,
        endpoints=endpoints,
        end=(_CONFIRMED if ended else _QUEUED).format(**facts),
        **facts,
    )
