"""Check of the invariants (:mod:`app.models.invariants`) in a live database.

Read-only. Each query is one statement, so it sees one moment; large tables are read in pieces of :data:`PIECE` rows, so
that neither time nor memory grows with the database. Only lateness (invariant 7) is checked twice: a busy system is
late for a moment, because a slot was freed or a breaker closed just then.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from app.domain.enums import DAY, HOUR, SECOND, Instant
from app.models.database import reading_slowly
from app.models.dialect import POSTGRES_NOW, for_sqlite, sqlite_now
from app.models.fleet_invariants import FLEET_INVARIANTS
from app.models.invariant import Invariant, Judge, Walk
from app.models.invariants import INVARIANTS
from app.models.ledger.rules import START_MARGIN
from app.models.operation_index import FILING, filing
from app.models.queries.access import Reader
from app.models.reading_invariants import READING_INVARIANTS
from app.models.rule_invariants import RULE_INVARIANTS

PIECE: Final = 5_000
ROWS: Final = 20 * PIECE
"""Maximum of operations of the endpoints of a piece, unless its only endpoint has more."""

MOST: Final = 20
"""Maximum of violations reported per invariant: they are enough to investigate."""

OVERDUE: Final = 10 * SECOND
"""A task that should be done within a second is late after this."""

RECENT: Final = DAY
"""How long before the newest reading hourly aggregates are verified, unless all are."""

AGAIN_SECONDS: Final = 2.5
"""Late objects are checked again after this: a dispatcher that polls has polled by then."""


async def _a_while() -> None:
    await asyncio.sleep(AGAIN_SECONDS)


async def violations(
    database: str | Reader,
    *,
    now: Instant | None = None,
    max_in_flight: int = 120,
    aggregate_retention: Instant = 730 * DAY,
    recent_only: bool = False,
    restored: bool = False,
    pause: Callable[[], Awaitable[None]] = _a_while,
) -> list[str]:
    """Return the violations of the invariants in this database, a sentence each.

    Args:
        database: its address, or an open connection for long statements.
        now: the database host's time; tests that shift the ledger's clock pass it.
        max_in_flight: how many calls may be open at a Leshan server (invariant 7).
        aggregate_retention: the age from which hourly aggregates are deleted (invariant 15).
        recent_only: verify only the hourly aggregates of the last day before the newest reading (:data:`RECENT`).
        restored: no dispatcher works on this copy, so lateness is not checked.
        pause: awaited before late objects are checked again.
    """
    async with reading_slowly(database) if isinstance(database, str) else nullcontext(database) as reader:
        checker = _Checker(reader, now, max_in_flight, aggregate_retention, recent_only)
        found = await checker.breaches(
            invariant
            for invariant in (*INVARIANTS, *READING_INVARIANTS, *RULE_INVARIANTS, *FLEET_INVARIANTS)
            if not (restored and invariant.of_lateness)
        )
        late = [invariant for invariant, violators in found.items() if invariant.of_lateness and violators]
        if late:
            await pause()
            for invariant in late:
                found[invariant] = await checker.still(invariant, found[invariant])
    return [invariant.named(who) for invariant, violators in found.items() for who in violators]


@dataclass(frozen=True, slots=True)
class _Checker:
    reader: Reader
    fixed: Instant | None
    calls: int
    aggregate_retention: Instant
    recent_only: bool

    async def breaches(self, invariants: Iterable[Invariant]) -> dict[Invariant, list[Any]]:
        """Return the violators of each invariant, at most :data:`MOST`. The invariants with the same walk are checked
        in each of its pieces, so its keys are read once."""
        found: dict[Invariant, list[Any]] = {invariant: [] for invariant in invariants}
        for walk in dict.fromkeys(invariant.walk for invariant in found):
            unfinished = [invariant for invariant in found if invariant.walk is walk]
            given = {invariant: await self._given(invariant) for invariant in unfinished}
            async for bounds in self._pieces(walk):
                for invariant in unfinished:
                    values = [*bounds, *given[invariant]]
                    found[invariant] += await self._violators(invariant, values, MOST - len(found[invariant]))
                unfinished = [invariant for invariant in unfinished if len(found[invariant]) < MOST]
                if not unfinished:
                    break
        return found

    async def _violators(self, invariant: Invariant, values: list[Any], most: int) -> list[Any]:
        """Return at most ``most`` violators in the piece that begins these values."""
        limit = "" if invariant.judge else f" LIMIT {most}"
        rows = await self._rows(f"{invariant.sql}{limit}", values)
        violators = [row["who"] for row in rows]
        return await self._judged(invariant.judge, violators, most) if invariant.judge else violators

    async def _judged(self, judge: Judge, suspects: Sequence[int], most: int) -> list[Any]:
        """Return at most ``most`` violators among the suspects, whose rows are read one suspect at a time."""
        found: list[Any] = []
        now = await self._time()
        for suspect in suspects:
            found += judge.violators(await self._rows(judge.rows, [suspect]), now, now - OVERDUE)
            if len(found) >= most:
                break
        return found[:most]

    async def still(self, invariant: Invariant, violators: Sequence[Any]) -> list[Any]:
        """Return those of the former violators that violate the invariant now."""
        if invariant.judge is not None:
            return [who for who in (await self.breaches([invariant]))[invariant] if who in violators]
        values = await self._given(invariant)
        sql = f"SELECT who FROM ({invariant.sql}) late WHERE who = ${len(values) + 1}"
        return [who for who in violators if await self._rows(sql, [*values, who])]

    async def _given(self, invariant: Invariant) -> list[int]:
        now = await self._time() if invariant.given else 0
        given = {
            "overdue": now - OVERDUE,
            "window": now + START_MARGIN,
            "calls": self.calls,
            "aggregates": now - self.aggregate_retention,
            "readings": await self._first_hour() if "readings" in invariant.given else 0,
        }
        return [given[name] for name in invariant.given]

    async def _first_hour(self) -> Instant:
        """Return the first hour whose aggregates are verified."""
        if not self.recent_only:
            return 0
        rows = await self._rows("SELECT stored_at FROM reading ORDER BY seq DESC LIMIT 1", [])
        return max(0, rows[0]["stored_at"] - RECENT) // HOUR * HOUR if rows else 0

    async def _time(self) -> Instant:
        """Return the database host's time, because this host's clock may be wrong, or the time that a test has set."""
        if self.fixed is not None:
            return self.fixed
        if not self.reader.postgres:
            return sqlite_now()
        (row,) = await self._rows(f"SELECT {POSTGRES_NOW} AS now", [])
        return int(row["now"])

    async def _pieces(self, walk: Walk | None) -> AsyncIterator[tuple[int, ...]]:
        if walk is None:
            yield ()
            return
        above = -1
        while True:
            sql = f"SELECT max(key) AS last FROM ({walk.format(piece=PIECE, rows=ROWS)}) piece"
            (row,) = await self._rows(sql, [above])
            if row["last"] is None:
                return
            yield above, row["last"]
            above = row["last"]

    async def _rows(self, sql: str, values: list[Any]) -> Sequence[Any]:
        if not self.reader.postgres:
            sql = for_sqlite(sql.replace(FILING, filing(postgres=False)))
        return await self.reader.execute_query(sql, values)
