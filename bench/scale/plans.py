"""Claim, page and resume: their plans by EXPLAIN, and their times.

With 1,000 operations queued, with very many ended and 10 queued, and with very many queued.
"""

from __future__ import annotations

import argparse
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

from app.models.database import reading
from app.models.ledger import Claim
from app.models.live import LiveLog, TransitionCriteria
from app.models.queries import OperationCriteria, operation_page
from bench.filling import fill
from bench.lines.claims import claim_once
from bench.recording import Statements, ledger_reads, reads
from bench.scale.common import Measured, never, options, run
from bench.site import Site, site

TIMES = 7


def main() -> None:
    """Fill, explain and measure."""
    parser = options("bench.scale.plans", __doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="the very many")
    parser.add_argument("--plans", action="store_true", help="print the plans, not only the times")
    arguments = parser.parse_args()
    run(_compare(arguments), f"medians of {TIMES}, {arguments.database}")


async def _compare(arguments: argparse.Namespace) -> list[Measured]:
    rows, figures = arguments.rows, list[Measured]()
    fillings: dict[str, list[tuple[int, int, bool]]] = {
        "1,000 queued": [(1_000, 1_000, False)],
        f"{rows:,} ended, 10 queued": [(rows // 20, rows, True), (10, 10, False)],
        f"{rows:,} queued": [(rows // 20, rows, False)],
    }
    for what, fills in fillings.items():
        async with _filled(arguments.database, fills) as system:
            figures += [(f"{what}: {name}", value, "ms") for name, value in (await _times(system)).items()]
            if arguments.plans:
                await _explain(system, what)
    return figures


@asynccontextmanager
async def _filled(kind: str, fills: list[tuple[int, int, bool]]) -> AsyncIterator[Site]:
    async with site(kind) as system, reading(system.database_url):
        for number, (endpoints, operations, ended) in enumerate(fills):
            await fill(system.reader, f"e{number}", endpoints, operations, ended=ended)
        yield system


async def _times(system: Site) -> dict[str, float]:
    claims = [await claim_once(system) for _ in range(TIMES + 1)][1:]
    return {
        "claim": median(claims) * 1e3,
        "page of 50": await _timed(_page),
        "page of 50 below a path that nothing has": await _timed(_empty_page),
        "resume, 1,000 behind: to the first message": await _timed(lambda: _resume(system)),
    }


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    await work()
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return median(seconds) * 1e3


async def _page() -> None:
    await operation_page(OperationCriteria(), first=50)


async def _empty_page() -> None:
    await operation_page(OperationCriteria(path_prefix="/3303"), first=50)


async def _resume(system: Site) -> None:
    live = LiveLog(never)
    await live.start()
    events = live.transitions(TransitionCriteria(), max(0, await system.seq() - 1_000))
    await anext(events)
    await events.aclose()
    await live.close()


async def _explain(system: Site, what: str) -> None:
    postgres = system.kind == "postgres"
    with ledger_reads(postgres=postgres) as recorded:
        await system.ledger.submit(Claim(50, str(uuid.uuid4())))
    claims = [one for one in recorded if "ready_at" in one[0] and "LIMIT" in one[0]]
    with reads() as pages:
        await _page()
    with reads() as resumes:
        await _resume(system)
    for name, statements in (("claim", claims), ("page", pages), ("resume", resumes)):
        await _print_plans(system, f"{what}: {name}", statements)


async def _print_plans(system: Site, what: str, statements: Statements) -> None:
    explain = "EXPLAIN (ANALYZE, BUFFERS)" if system.kind == "postgres" else "EXPLAIN QUERY PLAN"
    for sql, values in statements:
        rows: list[Any] = list(await system.reader.fetch(f"{explain} {sql}", *values))
        print(f"\n== {what}\n   {' '.join(sql.split())[:200]}")
        for row in rows:
            print("   ", row[0] if system.kind == "postgres" else row[3])


if __name__ == "__main__":
    main()
