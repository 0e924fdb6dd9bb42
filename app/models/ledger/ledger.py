"""The ledger: the only writer. It collects the commands of concurrent callers and commits them together.

One task owns the connection. Callers wait for a future; if a caller is canceled (its client disconnected), its command
is executed anyway, and nothing inside a transaction is ever interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from app.domain.enums import Instant, ReadingOrigin
from app.models.ledger.commands import Command, LedgerError, Phase
from app.models.ledger.group import EndedOperation, Group, Move, Needs, Stored
from app.models.ledger.metadata import ProveWritable
from app.models.ledger.outage import WRITING, Outage
from app.models.ledger.rows import SERVER_COLUMNS, SERVER_VALUES, ServerRow
from app.models.ledger.rule_application import ApplyRules
from app.models.ledger.rules import Rules, rules_of_server
from app.models.ledger.sequences import count_members
from app.models.ledger.store import Store, StoreRefused, StoreUnavailable, UnsafeDatabase
from app.models.ledger.writing import flush, write_operations
from app.models.postgres import no_answer

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

MAX_GROUP: Final = 500
MAX_WEIGHT: Final = 2_000
"""Maximum of events and operations in one group: other processes wait for the append lock meanwhile, and give up after
their timeout."""
MAX_WAITING: Final = 20_000
RETRY_PAUSES: Final = (0.05, 0.2, 0.8)
"""Seconds before each retry of a group whose connection broke; after the last one its callers get the error."""

ANSWER_SECONDS: Final = 7.0
"""Seconds that a mutation or a webhook waits for its commit: its response is due within 10 s, reads included."""

AWAY_SECONDS: Final = 2.5
"""The same while the database is known to be unavailable: a request with several mutations waits for each in turn."""

CHECK_SECONDS: Final = 2.0
"""Interval of checks whether an unavailable database is back, while no command is waiting."""

CLOSE_SECONDS: Final = 10.0
"""Seconds that a terminating process waits for the database; over a network that drops all packets no response
comes."""

_SERVER: Final = ", ".join(f"s.{column}" for column in SERVER_COLUMNS)
_HEADS: Final = (
    f"SELECT {{now}} AS now, h.seq, h.horizon, {_SERVER} FROM ledger_head h, leshan_server s WHERE s.id = $1"  # noqa: S608 - constants
)

Notify = Callable[[str], None]
"""Called with the channel; must not block and must not raise."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Facts about a committed group: the number of its commands, its duration, the number of moves of each kind and of
    readings of each origin, and the operations that it ended."""

    commands: int
    seconds: float
    moves: Mapping[Move, int]
    readings: Mapping[ReadingOrigin, int]
    ended: Sequence[EndedOperation]


class LedgerUnavailable(RuntimeError):
    """The database cannot be reached. The command may have been applied: retry it with the same ids."""


class LedgerOverloaded(LedgerUnavailable):
    """More commands are waiting than can be written soon; nothing of this one was stored."""


@dataclass(slots=True)
class _Pending:
    """A command whose caller waits for ``result``."""

    command: Command[Any]
    result: asyncio.Future[Any]

    def resolve(self, result: Any) -> None:
        """Return the command's result to its caller, or raise it there if it is an error."""
        if self.result.done():
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class Ledger:
    """Group commit over one :class:`Store`.

    Args:
        server_id, server_name: the Leshan server whose devices this ledger writes about.
        notify: called after a commit, never before: ``"changed"`` if the log has grown, ``"wake"`` if an endpoint
            may be claimable, ``"fleet"`` if a firmware update or a campaign may be due.
        clock: maps the database's time to the ledger's; only tests shift it.
        observe: called after each commit, for metrics; must not block.
        on_silence: called when the database has not responded in time; must not block.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        notify: Notify,
        server_id: int = 1,
        server_name: str = "leshan",
        clock: Callable[[Instant], Instant] = lambda now: now,
        observe: Callable[[Committed], None] = lambda _committed: None,
        on_silence: Callable[[], None] = lambda: None,
    ) -> None:
        self.rules = rules
        self.server_id = server_id
        self._store = store
        self._server_name = server_name
        self._notify = notify
        self._clock = clock
        self._observe = observe
        self._on_silence = on_silence
        self._pending: deque[_Pending] = deque()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()  # to look it up for each command takes a system call
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._given_up = False
        self._open = False
        self._rules_due: set[int] = set()
        self._applying = False
        self.outage = Outage()

    async def start(self) -> None:
        """Connect, and create the Leshan server's row if it is new.

        Raises:
            StoreUnavailable: the database cannot be reached.
            UnsafeDatabase: it would lose acknowledged commits.
        """
        await self._store.open()
        self._open = True
        await self._store.begin()
        sql = "INSERT INTO leshan_server (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name"
        await self._store.execute(sql, self.server_id, self._server_name)
        await self._store.commit()
        self._task = asyncio.create_task(self._run(), name="ledger")

    async def close(self) -> None:
        """Write the waiting commands, then close the connection. If the database does not respond within
        :data:`CLOSE_SECONDS`, the waiting callers get LedgerUnavailable."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            if not done:
                log.error("ledger_not_written", commands_waiting=len(self._pending))
                self._given_up = True
                await self._store.close()  # ends the wait for its response
            await self._task
        await self._store.close()

    async def submit(self, command: Command[Result], *, within: float | None = None) -> Result:
        """Commit a command together with all others that are waiting; return once it is durable.

        Args:
            within: seconds after which the caller stops waiting, if there is no commit; a command that is still queued
                then is dropped, one whose group has begun may be committed later.

        Raises:
            LedgerError: an expected refusal (NotFound, Conflict).
            LedgerUnavailable: the database cannot be reached.
        """
        result = self.enqueue(command)
        if within is None:
            return await result
        if WRITING in self.outage.failing:
            within = min(within, AWAY_SECONDS)
        timer = result.get_loop().call_later(within, _time_out, result, within)
        try:
            return await result
        finally:
            timer.cancel()

    def enqueue(self, command: Command[Result]) -> asyncio.Future[Result]:
        """Enqueue a command without waiting, as :meth:`submit` does: the future is done once the commit is."""
        if self._closing:
            raise LedgerUnavailable("the ledger is closing")
        if len(self._pending) >= MAX_WAITING:
            raise LedgerOverloaded("too many commands wait to be written: retry later")
        result: asyncio.Future[Result] = self._loop.create_future()
        self._pending.append(_Pending(command, result))
        self._arrived.set()
        return result

    @property
    def waiting(self) -> int:
        """The number of commands that wait for a commit."""
        return len(self._pending)

    async def _run(self) -> None:
        """Write groups until the ledger is closing and no command is waiting."""
        while True:
            if self.outage.failing and not self._arrived.is_set():
                # check whether the database is back, which is logged
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), CHECK_SECONDS)
                if not self._arrived.is_set():
                    check = self.enqueue(ProveWritable())
                    check.add_done_callback(lambda done: done.cancelled() or done.exception())
            await self._arrived.wait()
            if self._pending:
                if group := self._fill([]):
                    await self._write(group)
            elif self._closing:
                return
            else:
                self._arrived.clear()

    def _fill(self, group: list[_Pending], seconds: float = math.inf, last: Phase = Phase.CLAIM) -> list[_Pending]:
        """Add the commands that have waited longest, as many as fit one short transaction of phases up to ``last``
        whose statements may take so many seconds; one that is too large gets a group of its own. A command whose caller
        already received LedgerUnavailable is dropped; if the caller was canceled, it is executed. Return the group."""
        weight = sum(one.command.weight for one in group)
        claims = any(one.command.phase is Phase.CLAIM for one in group)
        while self._pending and len(group) < MAX_GROUP:
            command, result = self._pending[0].command, self._pending[0].result
            if result.done() and not result.cancelled():
                self._pending.popleft()
                continue
            if command.phase > last or command.seconds > seconds or (group and weight + command.weight > MAX_WEIGHT):
                break
            if command.phase is Phase.CLAIM:
                if claims:  # the first one's calls are made while the second one's group is written
                    break
                claims = True
            command.begun = True
            group.append(self._pending.popleft())
            weight += command.weight
        return group

    async def _write(self, pending: list[_Pending], *, again: bool = False, alone: bool = False) -> None:
        """Commit a group of commands. If the connection breaks, retry with growing pauses, on new connections."""
        for pause in (*RETRY_PAUSES, None):
            try:
                await self._commit(pending, again=again, alone=alone)
            except (StoreUnavailable, UnsafeDatabase) as error:  # unsafe: a promoted server with other settings
                again = True
                await self._disconnect()
                if isinstance(error.__cause__, TimeoutError):
                    self._on_silence()
                if pause is None or self._given_up:
                    self.outage.failed(error)
                    for one in pending:
                        one.resolve(LedgerUnavailable(str(error)))
                    return
                if pause != RETRY_PAUSES[0]:  # a new connection failed as well
                    self.outage.failed(error)
                await asyncio.sleep(pause)
            except Exception as error:
                await self._write_each(pending, error, again=again)
                return
            else:
                return

    async def _write_each(self, pending: Sequence[_Pending], error: Exception, *, again: bool) -> None:
        """Retry each command in a group of its own, so that only the bad one fails: the group was rolled back."""
        if len(pending) == 1:
            log.error("ledger_command_failed", command=type(pending[0].command).__name__, exc_info=error)
            pending[0].resolve(error)
            return
        for one in pending:
            await self._write([one], again=again, alone=True)

    async def _commit(self, pending: list[_Pending], *, again: bool, alone: bool) -> None:
        """Write one transaction; after its commit return the results to the callers, and publish it.

        Events that arrive while it waits for the database to begin are added to others, unless these are to be written
        ``alone``: with one event per call that doubles the groups, each of which costs five round trips.
        """
        if self._given_up:
            raise StoreUnavailable("the ledger is closed")
        if self.outage.suspect:
            self.outage.suspect = False
            await self._disconnect()
        if not self._open:
            await self._store.open()
            self._open = True
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            seconds = max(one.command.seconds for one in pending)
            group = await self._begin(seconds, again=again)
            if not (again or alone or any(one.command.phase > Phase.INGEST for one in pending)):
                self._fill(pending, seconds, Phase.INGEST)
            results = await apply_all(group, [one.command for one in pending])
            await self._store.commit()
        except StoreUnavailable:
            raise
        except BaseException:
            try:
                await self._store.rollback()
            except (StoreUnavailable, StoreRefused):
                await self._disconnect()
            raise
        if self.outage.failing:
            self.outage.ended()
        for one, result in zip(pending, results, strict=True):
            one.resolve(result)
        self._publish(group, Committed(len(pending), loop.time() - started, group.moves, group.reported, group.ended))

    async def _begin(self, seconds: float, *, again: bool) -> Group:
        await self._store.begin(seconds)
        (row,) = await self._store.fetch(_HEADS.format(now=self._store.clock), self.server_id)
        server, now = ServerRow.load(row), self._clock(row["now"])
        rules = rules_of_server(self.rules, bool(server.notifications_wake), server.open_calls)
        seq, horizon = row["seq"], row["horizon"]
        stored = Stored(SERVER_VALUES(server), (seq, horizon))
        return Group(self._store, rules, server, now, seq, horizon, stored, again=again)

    async def _disconnect(self) -> None:
        self._open = False
        with contextlib.suppress(Exception):
            await self._store.close()

    def _publish(self, group: Group, committed: Committed) -> None:
        """Notify after a commit. No error here may fail the group: it would count as not committed, and be retried."""
        try:
            self._observe(committed)
            if group.logged:
                self._notify("changed")
            if group.woken:
                self._notify("wake")
            if group.fleet_woken:
                self._notify("fleet")
            self._apply_rules(group.rules_due)
        except Exception:
            log.exception("ledger_notification_failed")

    def _apply_rules(self, due: Iterable[int]) -> None:
        """Apply the observation rules to these endpoints in a further group, so that their operations are sent in the
        same wake. A sweep does the rest, with pauses."""
        self._rules_due.update(due)
        if self._rules_due and not self._applying and not self._closing:
            applied = self.enqueue(ApplyRules(tuple(self._rules_due)))
            self._rules_due.clear()
            self._applying = True
            applied.add_done_callback(self._rules_applied)

    def _rules_applied(self, done: asyncio.Future[bool]) -> None:
        self._applying = False
        if not done.cancelled() and done.exception() is None:  # an error is logged, and the sweep tries again
            self._apply_rules(())


def _time_out(result: asyncio.Future[Any], seconds: float) -> None:
    if not result.done():
        result.set_exception(LedgerUnavailable(no_answer(seconds)))


async def apply_all(group: Group, commands: Sequence[Command[Any]]) -> list[Any]:
    """Load the rows that the commands need, apply the commands phase by phase, and write all changes. Return their
    results; that of a refused command is its LedgerError."""
    needs = Needs()
    for command in commands:
        command.needs(needs)
    await group.load(needs)
    if needs.sequences:
        await count_members(group, needs.sequences)
    results: list[Any] = [None] * len(commands)
    for index in sorted(range(len(commands)), key=lambda i: commands[i].phase):
        command = commands[index]
        if command.phase is Phase.MAINTENANCE:
            await flush(group)
            await command.find(group)
        elif command.phase is Phase.CLAIM:
            await write_operations(group)
            await command.find(group)
        try:
            results[index] = command.apply(group)
        except LedgerError as error:
            results[index] = error
        else:
            if command.audit is not None:
                group.record(command.audit)
    await flush(group)
    return results
