"""The ledger: the only writer. It collects the commands of concurrent callers and commits them together.

One task owns the connection. Callers wait for a future; if a caller is canceled (its client disconnected), its command
is executed anyway, and nothing inside a transaction is ever interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from app.backoff import Backoff
from app.domain.enums import Instant
from app.models.ledger.commands import Command, LedgerError, Needs, Phase
from app.models.ledger.group import Group, Move
from app.models.ledger.load import load
from app.models.ledger.metadata import ProveWritable
from app.models.ledger.outage import WRITING, Outage
from app.models.ledger.rows import SERVER_COLUMNS, ServerRow
from app.models.ledger.rules import Rules, rules_of_server
from app.models.ledger.store import Store, StoreRefused, StoreUnavailable
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

LOOK_AGAIN_SECONDS: Final = 2.0
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
    """Facts about a committed group: the number of its commands, its duration, and the number of moves of each kind."""

    commands: int
    seconds: float
    moves: Mapping[Move, int]


class LedgerUnavailable(RuntimeError):
    """The database cannot be reached. The command may have been applied: retry it with the same ids."""


class LedgerOverloaded(LedgerUnavailable):
    """More commands are waiting than can be written soon; nothing of this one was stored."""


@dataclass(slots=True)
class _Pending:
    command: Command[Any]
    answer: asyncio.Future[Any]


class Ledger:
    """Group commit over one :class:`Store`.

    Args:
        server_id, server_name: the Leshan server whose devices this ledger writes about.
        notify: called after a commit, never before: ``"changed"`` if the log has grown, ``"wake"`` if an endpoint
            may be claimable.
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
        self._notify_bus = notify
        self._clock = clock
        self._observe = observe
        self._on_silence = on_silence
        self._wishes: deque[_Pending] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._given_up = False
        self._open = False
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
                log.error("ledger_not_written", groups_waiting=len(self._wishes))
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
        answer = self.enqueue(command)
        if within is None:
            return await answer
        if self.outage.is_known_by(WRITING):
            within = min(within, AWAY_SECONDS)
        timer = asyncio.get_running_loop().call_later(within, _give_up, answer, within)
        try:
            return await answer
        finally:
            timer.cancel()

    def enqueue(self, command: Command[Result]) -> asyncio.Future[Result]:
        """Enqueue a command without waiting, as :meth:`submit` does: the future is done once the commit is."""
        if self._closing:
            raise LedgerUnavailable("the ledger is closing")
        if len(self._wishes) >= MAX_WAITING:
            raise LedgerOverloaded("too much is waiting to be written")
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._wishes.append(_Pending(command, answer))
        self._arrived.set()
        return answer

    @property
    def waiting(self) -> int:
        """The number of commands that wait for a commit."""
        return len(self._wishes)

    async def _run(self) -> None:
        while True:
            if self.outage.is_known:
                await self._look_again()
            await self._arrived.wait()
            if not self._wishes:
                if self._closing:
                    return
                self._arrived.clear()
                continue
            if group := self._next_group():
                await self._serve(group)

    async def _look_again(self) -> None:
        """While the database is unavailable and no command is waiting: check whether it is back, which is logged."""
        try:
            await asyncio.wait_for(self._arrived.wait(), LOOK_AGAIN_SECONDS)
        except TimeoutError:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._wishes.append(_Pending(ProveWritable(), answer))
            self._arrived.set()

    def _next_group(self) -> list[_Pending]:
        """Return the commands that have waited longest, as many as fit one short transaction; one that is too large
        gets a group of its own."""
        wishes = [self._wishes.popleft()]
        weight, claims = wishes[0].command.weight, wishes[0].command.phase is Phase.CLAIM
        while self._wishes and len(wishes) < MAX_GROUP and weight + self._wishes[0].command.weight <= MAX_WEIGHT:
            if self._wishes[0].command.phase is Phase.CLAIM:
                if claims:  # the first one's calls are made while the second one's group is written
                    break
                claims = True
            wishes.append(self._wishes.popleft())
            weight += wishes[-1].command.weight
        wishes = [wish for wish in wishes if not _abandoned(wish)]
        for wish in wishes:
            wish.command.begin()
        return wishes

    async def _serve(self, wishes: Sequence[_Pending], *, again: bool = False) -> None:
        try:
            await self._commit(wishes, again=again)
        except StoreUnavailable as error:
            self.outage.failed(error)
            _fail(wishes, LedgerUnavailable(str(error)))

    async def _one_by_one(self, wishes: Sequence[_Pending], error: Exception, *, again: bool) -> None:
        """Retry each command in a group of its own, so that only the bad one fails: the group was rolled back."""
        if len(wishes) == 1:
            log.error("ledger_member_failed", command=type(wishes[0].command).__name__, exc_info=error)
            _fail(wishes, error)
            return
        for wish in wishes:
            await self._serve([wish], again=again)

    async def _commit(self, wishes: Sequence[_Pending], *, again: bool) -> None:
        backoff = Backoff(*RETRY_PAUSES)
        for attempt in range(1, len(RETRY_PAUSES) + 2):
            try:
                await self._once(wishes, again=again)
            except StoreUnavailable as error:
                again = True
                await self._disconnect()
                if isinstance(error.__cause__, TimeoutError):
                    self._on_silence()
                if attempt > 1:  # a new connection failed as well
                    self.outage.failed(error)
                if attempt > len(RETRY_PAUSES) or self._given_up:
                    raise
                await asyncio.sleep(backoff.next())
            except Exception as error:
                await self._one_by_one(wishes, error, again=again)
                return
            else:
                return

    async def _once(self, wishes: Sequence[_Pending], *, again: bool) -> None:
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
            group = await self._begin(max(wish.command.seconds for wish in wishes), again=again)
            answers = await apply_all(group, [wish.command for wish in wishes])
            await self._store.commit()
            self.outage.ended()
        except StoreUnavailable:
            raise
        except BaseException:
            await self._roll_back()
            raise
        self._tell(group, len(wishes), loop.time() - started)
        for wish, answer in zip(wishes, answers, strict=True):
            _resolve(wish, answer)

    async def _begin(self, seconds: float, *, again: bool) -> Group:
        await self._store.begin(seconds)
        (row,) = await self._store.fetch(_HEADS.format(now=self._store.clock), self.server_id)
        server, now = ServerRow.load(row), self._clock(row["now"])
        rules = rules_of_server(self.rules, bool(server.notifications_wake), server.open_calls)
        return Group(self._store, rules, server, now, row["seq"], row["horizon"], again=again)

    async def _roll_back(self) -> None:
        try:
            await self._store.rollback()
        except (StoreUnavailable, StoreRefused):
            await self._disconnect()

    async def _disconnect(self) -> None:
        self._open = False
        with contextlib.suppress(Exception):
            await self._store.close()

    def _tell(self, group: Group, commands: int, seconds: float) -> None:
        """Run the notifications after a commit. No error here may fail the group: it would count as not committed, and
        be retried."""
        try:
            self._observe(Committed(commands, seconds, group.moves))
            self._notify(group)
        except Exception:
            log.exception("ledger_notification_failed")

    def _notify(self, group: Group) -> None:
        if group.logged:
            self._notify_bus("changed")
        if group.woken:
            self._notify_bus("wake")


@dataclass(slots=True)
class Refused:
    """A command's expected refusal, stored beside the results of the others."""

    error: LedgerError


async def apply_all(group: Group, commands: Sequence[Command[Any]]) -> list[Any]:
    """Load the rows that the commands need, apply the commands phase by phase, and write all changes."""
    needs = Needs()
    for command in commands:
        command.needs(needs)
    await load(group, needs)
    answers: dict[int, Any] = {}
    for index in sorted(range(len(commands)), key=lambda i: commands[i].phase):
        command = commands[index]
        await _find(group, command)
        try:
            answers[index] = command.apply(group)
        except LedgerError as error:
            answers[index] = Refused(error)
    await group.flush()
    return [answers[index] for index in range(len(commands))]


async def _find(group: Group, command: Command[Any]) -> None:
    """Let a command find rows, once the other commands' changes that it reads are written."""
    if command.phase is Phase.MAINTENANCE:
        await group.flush()
    elif command.phase is Phase.CLAIM:
        await group.write_operations()
    else:
        return
    await command.find(group)


def _resolve(wish: _Pending, answer: Any) -> None:
    if wish.answer.done():
        return
    if isinstance(answer, Refused):
        wish.answer.set_exception(answer.error)
    else:
        wish.answer.set_result(answer)


def _give_up(answer: asyncio.Future[Any], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(LedgerUnavailable(no_answer(seconds)))


def _abandoned(wish: _Pending) -> bool:
    """Return whether its caller already received LedgerUnavailable. If the caller was canceled, the command is
    executed."""
    return wish.answer.done() and not wish.answer.cancelled()


def _fail(wishes: Sequence[_Pending], error: Exception) -> None:
    for wish in wishes:
        if not wish.answer.done():
            wish.answer.set_exception(error)
