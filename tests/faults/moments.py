"""Chosen moments in the execution of a process, at which it freezes (SIGSTOP) or kills (SIGKILL) itself.

A process that is forked with ``REVEILLE_TEST_MOMENT=claimed:freeze`` in its environment reaches that moment once, at
the first operation that gets so far. ``REVEILLE_TEST_CLOCK=300`` sets its clock so many seconds ahead, and
``REVEILLE_TEST_MARGINS=1,2`` shortens the margins of a deadline and a lease beyond the operation's timeout: a lease
then expires after 4 s instead of 16. The product code does not know about any of this.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Self

from standardwebhooks import webhooks

from app.dispatcher import runner
from app.domain.enums import SECOND
from app.leshan import transport
from app.leshan.connection import Connection
from app.models.ledger import Claim, Committed, Create, IngestEvents, Settle, leases, ledger
from app.models.ledger.commands import Command
from app.models.ledger.group import Group
from app.models.ledger.postgres_store import AT_ONCE, PostgresStore

_LONG: Final = 256 * 1024
"""Characters in the rows of a statement that asyncpg does not send in one piece: it sends 4 x 32 KiB at a time."""

_SIGNALS: Final = {"freeze": signal.SIGSTOP, "kill": signal.SIGKILL}
_MEMBERS: Final = {"claim": Claim, "settle": Settle, "create": Create, "hear": IngestEvents}


def arm(environment: Mapping[str, str]) -> None:
    """Install the moments that this process's environment names."""
    if moment := environment.get("REVEILLE_TEST_MOMENT"):
        name, _, how = moment.partition(":")
        _MOMENTS[name](_once(_SIGNALS[how]))
    if ahead := environment.get("REVEILLE_TEST_CLOCK"):
        _move_clock(float(ahead))
    if margins := environment.get("REVEILLE_TEST_MARGINS"):
        _shorten(*map(float, margins.split(",")))


def _once(how: signal.Signals) -> Callable[[], None]:
    """Return the action at the moment, for the first time only; a thawed process then continues."""
    left = [how]

    def happen() -> None:
        if left:
            os.kill(os.getpid(), left.pop())

    return happen


def _claimed(happen: Callable[[], None]) -> None:
    """SENDING is committed, and nothing else has been done."""
    run = runner.Runner.run

    async def stopped(self: runner.Runner, *arguments: Any) -> None:
        happen()
        await run(self, *arguments)

    _set(runner.Runner, "run", stopped)


def _before_write(happen: Callable[[], None]) -> None:
    """A connection is open, and no byte of the request has been written."""
    pool = transport.PooledTransport
    send, kept, connect = pool._send, pool._kept_connection, pool._connect
    attempts: ContextVar[bool] = ContextVar("attempts", default=False)

    async def known(self: transport.PooledTransport, question: bytes, attempt: Any) -> Any:
        attempts.set(b"reveille-request:" in question.lower())  # other requests query the server, or a lost call
        return await send(self, question, attempt)

    def stopped_with_a_kept_one(self: transport.PooledTransport) -> Connection | None:
        connection = kept(self)
        if connection is not None and attempts.get():
            happen()
        return connection

    async def stopped_with_a_new_one(self: transport.PooledTransport, attempt: Any) -> Connection:
        connection = await connect(self, attempt)
        if attempts.get():
            happen()
        return connection

    _set(pool, "_send", known)
    _set(pool, "_kept_connection", stopped_with_a_kept_one)
    _set(pool, "_connect", stopped_with_a_new_one)


def _answered(happen: Callable[[], None]) -> None:
    """Leshan has responded, and the result is stored nowhere else."""
    settle = runner.Runner._settle

    async def stopped(self: runner.Runner, *arguments: Any) -> None:
        happen()
        await settle(self, *arguments)

    _set(runner.Runner, "_settle", stopped)


def _settled(happen: Callable[[], None]) -> None:
    """The result is committed, and no process has been notified."""
    publish = ledger.Ledger._publish

    def stopped(self: ledger.Ledger, group: Group, committed: Committed) -> None:
        if any(after != "SENDING" and before == "SENDING" for before, after, _ in group.moves):
            happen()
        publish(self, group, committed)

    _set(ledger.Ledger, "_publish", stopped)


def _inside(member_type: type[Command[Any]]) -> Callable[[Callable[[], None]], None]:
    """Everything is written, nothing is committed, and the append lock is held."""

    def moment(happen: Callable[[], None]) -> None:
        apply_all = ledger.apply_all

        async def stopped(group: Group, commands: Sequence[Command[Any]]) -> list[Any]:
            answers = await apply_all(group, commands)
            if any(
                isinstance(command, member_type) and answer for command, answer in zip(commands, answers, strict=True)
            ):
                happen()
            return answers

        _set(ledger, "apply_all", stopped)

    return moment


def _sending_rows(happen: Callable[[], None]) -> None:
    """PostgreSQL has received some rows of a statement, holds the append lock for this process, and waits for more."""
    execute_many = PostgresStore.execute_many

    async def stopped(self: PostgresStore, sql: str, rows: Any, at_once: str | None = None) -> None:
        one_by_one = at_once is None or len(rows) < AT_ONCE
        if one_by_one and sum(len(value) for row in rows for value in row if isinstance(value, str)) > _LONG:
            await execute_many(self, sql, _stop_after(rows, happen))  # type: ignore[arg-type]
        else:
            await execute_many(self, sql, rows, at_once)

    _set(PostgresStore, "execute_many", stopped)


def _stop_after(rows: Sequence[Sequence[Any]], happen: Callable[[], None]) -> Iterator[Sequence[Any]]:
    for number, row in enumerate(rows):
        if number == len(rows) - 1:
            happen()
        yield row


def _committing(member_type: type[Command[Any]]) -> Callable[[Callable[[], None]], None]:
    """PostgreSQL has committed, and the process has not read the response."""

    def moment(happen: Callable[[], None]) -> None:
        due: list[bool] = []
        _inside(member_type)(lambda: due.append(True))
        commit = PostgresStore.commit

        async def stopped(self: PostgresStore) -> None:
            await commit(self)
            if due:
                happen()

        _set(PostgresStore, "commit", stopped)

    return moment


_MOMENTS: Final[dict[str, Callable[[Callable[[], None]], None]]] = {
    "claimed": _claimed,
    "before_write": _before_write,
    "answered": _answered,
    "settled": _settled,
    "sending_rows": _sending_rows,
    **{f"inside_{name}": _inside(command) for name, command in _MEMBERS.items()},
    **{f"committing_{name}": _committing(command) for name, command in _MEMBERS.items()},
}


def _move_clock(ahead: float) -> None:
    real, real_ns = time.time, time.time_ns
    _set(time, "time", lambda: real() + ahead)
    _set(time, "time_ns", lambda: real_ns() + int(ahead * 1e9))

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=ahead)

    _set(webhooks, "datetime", Moved)  # it calls the system directly, not the module above


def _shorten(answer: float, lease: float) -> None:
    _set(runner, "ANSWER_SECONDS", answer)
    _set(leases, "ANSWER_MARGIN", int(answer * SECOND))
    _set(leases, "LEASE_MARGIN", int(lease * SECOND))


def _set(owner: object, name: str, value: object) -> None:
    """Replace an existing attribute; a missing one would mean a moment that is never reached."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner!r} has no {name} any more: moments.py has to follow")
    setattr(owner, name, value)
