"""``python -m bench [--devices N] [--operations N]``: ratios measured side by side in one run, on this machine."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from app.domain.events import Registered, Registration, Updated
from app.domain.operations import OperationRequest
from app.domain.words import OperationKind, ValueType
from app.main import Parts, Role, running
from app.models import tables
from app.models.database import migrate
from app.models.ledger import Create, Hear, HeardEvent, NewOperation
from app.settings import LeshanEvents, Settings
from app.telemetry import configure_logging
from bench.fake_leshan import fake_leshan

BARE_OPEN = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--devices", type=int, default=300)
    parser.add_argument("--operations", type=int, default=6_000)
    parser.add_argument("--database", help="sqlite://.. or postgres://.. of an empty database; default: a SQLite file")
    arguments = parser.parse_args()
    configure_logging(level="warning")
    with tempfile.TemporaryDirectory() as folder:
        database = arguments.database or f"sqlite://{Path(folder) / 'bench.db'}"
        rows = asyncio.run(_measure(database, arguments.devices, arguments.operations))
    table = Table("what", "figure", title=f"{database.split(':', 1)[0]}, durable commits")
    for what, figure in rows:
        table.add_row(what, figure)
    Console().print(table)


async def _measure(database: str, devices: int, operations: int) -> list[tuple[str, str]]:
    await migrate(database)
    async with fake_leshan() as address:
        settings = Settings(database_url=database, leshan_url=address, leshan_events=LeshanEvents.WEBHOOK)
        async with running(settings, Role.API | Role.DISPATCH) as parts:
            registered = await _rate(devices, lambda: _hear(parts, [_registered(n) for n in range(devices)]))
            events = operations
            updates = [_updated(n % devices, n // devices + 2) for n in range(events)]
            updated = await _rate(events, lambda: _hear(parts, updates))
            bare = await _rate(operations, lambda: _bare(address, operations))
            ours = await _rate(operations, lambda: _confirm(parts, devices, operations))
    return [
        ("registrations committed", f"{registered:,.0f}/s"),
        ("updates committed", f"{updated:,.0f}/s"),
        (f"bare aiohttp loop, {BARE_OPEN} open", f"{bare:,.0f}/s"),
        ("operations created and confirmed, one process", f"{ours:,.0f}/s"),
        ("confirmed / bare", f"{ours / bare:.0%}"),
    ]


async def _rate(count: int, work: Callable[[], Awaitable[None]]) -> float:
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


def _registered(number: int) -> HeardEvent:
    registration = Registration(registration_id=f"r{number}", last_update=1, lifetime_seconds=3600, queue_mode=False)
    return HeardEvent(Registered(endpoint=f"bench-{number}", registration=registration))


def _updated(number: int, update: int) -> HeardEvent:
    registration = Registration(registration_id=f"r{number}", last_update=update, queue_mode=False)
    return HeardEvent(Updated(endpoint=f"bench-{number}", registration=registration))


async def _hear(parts: Parts, events: Sequence[HeardEvent]) -> None:
    await asyncio.gather(*(parts.ledger.submit(Hear([event])) for event in events))


async def _bare(address: str, calls: int) -> None:
    """The least that anybody could do: the same calls, from a loop with nothing behind it."""
    left = iter(range(calls))

    async def one(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.put(f"{address}/api/clients/x/5/0/1", json={"id": 1}) as answer:
                await answer.json()

    connector = aiohttp.TCPConnector(limit=BARE_OPEN)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one(session) for _ in range(BARE_OPEN)))


async def _confirm(parts: Parts, devices: int, operations: int) -> None:
    new = [Create([_operation(number % devices)]) for number in range(operations)]
    await asyncio.gather(*(parts.ledger.submit(member) for member in new))
    while (await tables.LeshanServer.get(id=1)).confirmed < operations:  # noqa: ASYNC110 - the database is what is asked
        await asyncio.sleep(0.02)


def _operation(device: int) -> NewOperation:
    path = "/5/0/1"
    request = OperationRequest(
        endpoint=f"bench-{device}",
        kind=OperationKind.WRITE,
        path=path,
        paths=(path,),
        value_type=ValueType.STRING,
        value="https://url.com/fw.bin",
    )
    return NewOperation(
        id=str(uuid.uuid4()),
        request=request,
        priority=0,
        max_attempts=3,
        repeatable=True,
        validated=False,
        fingerprint="",
    )


if __name__ == "__main__":
    main()
