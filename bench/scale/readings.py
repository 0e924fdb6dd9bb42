"""A history of ten million readings: the latencies of series, pages and the log, the time of aggregation, and the size.

The readings of each endpoint are equally spaced and end now. PostgreSQL gets the partitions that daily operation would
have made.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import asyncpg

from app.domain.enums import DAY, HOUR, MILLISECOND, SECOND, Instant
from app.models.cursors import page_cursor
from app.models.database import reading
from app.models.ledger import AggregateReadings
from app.models.ledger.reading_partitions import create_statements, day_of, start_of
from app.models.ledger.rows import ReadingRow
from app.models.queries import EndpointCriteria, Interval, ReadingCriteria, latest_page, reading_page, reading_series
from app.models.queries.log import read_resources
from app.models.queries.readings import page_statement, series_statement
from bench.devices import names, provision
from bench.measuring import share
from bench.scale.common import Measured, options, run
from bench.site import Site, site

PATH: Final = "/3303/0/5700"
PIECE: Final = 20_000
POINTS: Final = 500

_STATES: Final = f"""
    INSERT INTO resource_state (id, endpoint_id, path, type, value, at)
    SELECT {10**12} + id, id, '{PATH}', 'FLOAT', '20.5', $1 FROM endpoint
"""  # noqa: S608 - constants
_INSERT: Final = (
    f"INSERT INTO reading ({', '.join(ReadingRow._fields)}) "  # noqa: S608 - constants
    f"VALUES ({', '.join(f'${number}' for number in range(1, len(ReadingRow._fields) + 1))})"
)


def main() -> None:
    """Fill, aggregate, read and report."""
    parser = options("bench.scale.readings", __doc__)
    history_options(parser)
    parser.add_argument("--plans", action="store_true", help="print the plans, too")
    parser.add_argument("--rounds", type=int, default=100, help="reads of each kind")
    arguments = parser.parse_args()
    count = arguments.endpoints * arguments.readings
    run(_measure(arguments), f"{count:,} readings of {arguments.endpoints:,} endpoints, {arguments.database}")


def history_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the history's size."""
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--readings", type=int, default=100_000, help="of each endpoint")
    parser.add_argument("--seconds", type=int, default=25, help="between two readings of an endpoint")


async def _measure(arguments: argparse.Namespace) -> list[Measured]:
    async with site(arguments.database) as system:
        await provision(system.ledger, names("device", arguments.endpoints))
        now = time.time_ns() // 1000
        begin = now - arguments.readings * arguments.seconds * SECOND
        started = time.monotonic()
        await fill(system, arguments, begin, now)
        filled = time.monotonic() - started
        count = arguments.endpoints * arguments.readings
        figures: list[Measured] = [
            ("filled", count / filled, "readings/s"),
            ("a reading with its indexes", await _size(system, "reading") / count, "bytes"),
            *await aggregate(system, count),
        ]
        async with reading(system.database_url):
            figures += await _read(arguments, begin, now)
            if arguments.plans:
                await _print_plans(system, begin, now)
        return figures


async def fill(system: Site, arguments: argparse.Namespace, begin: Instant, now: Instant) -> None:
    """Insert ``arguments.readings`` readings of :data:`PATH` for each endpoint, with its latest value."""
    store = system.reader
    if system.kind == "postgres":
        await _make_partitions(system, begin, now)
    ids = [row["id"] for row in await store.fetch("SELECT id FROM endpoint ORDER BY id")]
    first = await system.seq() + 1
    rows: list[ReadingRow] = []
    for number in range(arguments.readings * len(ids)):
        step, index = divmod(number, len(ids))
        at, value = begin + step * arguments.seconds * SECOND, 20 + (step * 7 + index) % 100 / 10
        seq = first + number
        rows.append(ReadingRow(seq, ids[index], at, at, at, seq, value, 0, 1, PATH, "FLOAT", str(value)))  # type: ignore[arg-type]
        if len(rows) == PIECE:
            await _insert(system, rows)
            rows = []
    await _insert(system, rows)
    await store.execute(_STATES, now)
    await store.execute("UPDATE ledger_head SET seq = $1", first + arguments.readings * len(ids))
    if system.kind == "postgres":
        await _outside_of_transactions(system, "VACUUM ANALYZE reading")


async def _insert(system: Site, rows: list[ReadingRow]) -> None:
    if system.kind == "sqlite":
        await system.reader.begin()
        await system.reader.execute_many(_INSERT, rows)
        await system.reader.commit()
        return
    connection = await asyncpg.connect(system.database_url)
    await connection.copy_records_to_table("reading", records=rows, columns=ReadingRow._fields)
    await connection.close()


async def _make_partitions(system: Site, begin: Instant, now: Instant) -> None:
    """Replace the partition of the time before the migration by one for each day from ``begin``."""
    day, today = day_of(begin), day_of(now)
    statements = [f"DROP TABLE reading_{today - timedelta(days=1):%Y%m%d};"]
    while day < today:
        lower = "MINVALUE" if len(statements) == 1 else str(start_of(day))
        statements.append(create_statements(day, lower))
        day += timedelta(days=1)
    await _outside_of_transactions(system, " ".join(statements))


async def _outside_of_transactions(system: Site, sql: str) -> None:
    connection = await asyncpg.connect(system.database_url)
    await connection.execute(sql)
    await connection.close()


async def _size(system: Site, table: str) -> int:
    """Return the bytes of a table with its indexes; 0 on SQLite, whose file has all tables."""
    if system.kind == "sqlite":
        return 0
    sql = """
        SELECT pg_total_relation_size(CAST($1 AS text)::regclass) + coalesce((
            SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = CAST($1 AS text)::regclass
        ), 0)
    """
    return int(await system.one(sql, table))


async def aggregate(system: Site, count: int) -> list[Measured]:
    """Aggregate all readings; return the figures."""
    longest, more, started = 0.0, True, time.monotonic()
    while more:
        begun = time.monotonic()
        more = await system.ledger.submit(AggregateReadings())
        longest = max(longest, time.monotonic() - begun)
    hours = await system.one("SELECT count(*) FROM reading_hour")
    return [
        ("aggregated", count / (time.monotonic() - started), "readings/s"),
        ("longest piece of the aggregation", longest * 1_000, "ms"),
        ("an hourly aggregate with its indexes", await _size(system, "reading_hour") / hours, "bytes"),
    ]


async def _read(arguments: argparse.Namespace, begin: Instant, now: Instant) -> list[Measured]:
    chosen = random.Random(7)
    last = 2**58  # greater than every seq

    def endpoint() -> int:
        return chosen.randrange(arguments.endpoints) + 1

    async def series(start: Instant) -> None:
        found = await reading_series(endpoint(), [PATH], Interval.of(start, now, POINTS))
        assert found[PATH]

    async def page() -> None:
        at = chosen.randrange(begin, now)
        await reading_page(ReadingCriteria(endpoint()), 100, page_cursor("reading", f"{at}.{last}"))

    head = arguments.endpoints * arguments.readings
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        f"series of everything, {POINTS} points": lambda: series(begin),
        "series of the last day": lambda: series(now - DAY),
        "series of the last hour": lambda: series(now - HOUR),
        "page of 100 at any depth": page,
        "latest readings of 50 endpoints": lambda: latest_page(PATH, EndpointCriteria(), 50),
        "500 entries of the log at its end": lambda: read_resources(head - 400, 500),
        "500 entries in its middle": lambda: read_resources(head // 2, 500),
    }
    figures: list[Measured] = []
    for what, read in reads.items():
        times = sorted([await _milliseconds(read) for _ in range(arguments.rounds)])
        figures += [(f"{what}: median", share(times, 0.5), "ms"), (f"{what}: p95", share(times, 0.95), "ms")]
    return figures


async def _print_plans(system: Site, begin: Instant, now: Instant) -> None:
    statements = {
        "series of everything": series_statement(1, [PATH], Interval.of(begin, now, POINTS)),
        "series of the last day": series_statement(1, [PATH], Interval.of(now - DAY, now, POINTS)),
        "page of 100, in the middle": page_statement(ReadingCriteria(1), [PATH], 101, ((begin + now) // 2, 2**58)),
    }
    explain = "EXPLAIN (ANALYZE, BUFFERS, SUMMARY OFF)" if system.kind == "postgres" else "EXPLAIN QUERY PLAN"
    for what, statement in statements.items():
        print(f"== {what}\n   {' '.join(statement.sql.split())}")
        for row in await system.reader.fetch(f"{explain} {statement.sql}", *statement.values):
            print(f"   {row[-1]}")


async def _milliseconds(read: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter_ns()
    await read()
    return (time.perf_counter_ns() - begun) / 1_000 / MILLISECOND


if __name__ == "__main__":
    main()
