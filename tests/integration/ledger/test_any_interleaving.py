"""Two ledgers receive commands in any order: each operation follows the lifecycle table."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.domain.enums import SECOND, OperationKind, OperationStatus
from app.models.invariant_check import violations
from app.models.ledger import (
    Cancel,
    CancelMany,
    Claim,
    Claimed,
    Conflict,
    Create,
    HandOver,
    NotFound,
    PauseDispatch,
    Release,
    ResumeDispatch,
    Scope,
    Settle,
    Sweep,
    TakeLost,
    UpdateServerInfo,
    open_store,
)
from app.models.lifecycle import MOVES, TERMINAL
from app.models.operation import NewOperation
from tests.support.ledger import (
    ASLEEP,
    BUSY,
    LOST,
    PROXY,
    REFUSED,
    SILENT,
    SUCCESS,
    LedgerWorld,
    LosingStore,
    delayed,
    new,
    registered,
    response,
    updated,
)

NAMES: Final = ("a", "b", "c")
REPORTS: Final = (SUCCESS, SUCCESS, SILENT, LOST, REFUSED, BUSY, ASLEEP, PROXY)
KINDS: Final = (
    (OperationKind.WRITE, "/5/0/1"),
    (OperationKind.EXECUTE, "/3442/0/0"),
    (OperationKind.DELETE, "/3442/1"),
)
SCOPES: Final = (Scope(), Scope(server="leshan"), *(Scope(endpoint=name) for name in NAMES))

Result = TypeVar("Result")


@dataclass
class Seen:
    """The transitions of an operation when the database was last read."""

    steps: list[tuple[Any, ...]] = field(default_factory=list)


class Ledgers(RuleBasedStateMachine):
    """Two processes, one database, and all commands that they may receive."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.out: list[Claimed] = []
        self.ids: list[str] = []
        self.keys: dict[tuple[str, str], str] = {}
        self.paused: set[Scope] = set()
        self.held: list[tuple[str, str]] = []
        self.stores: list[LosingStore] = []
        self.seen: dict[int, Seen] = {}
        self.updates = 1

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def either(self, which: bool) -> Any:
        return self.world.ledgers[which]

    @initialize()
    def begin(self) -> None:
        self.world = LedgerWorld(self.url, open_store(self.url, unsafe=True))
        self.do(self._begin())

    async def _begin(self) -> None:
        await self.world.reader.open()
        await self.world.clear()
        zeros = ", ".join(f"{status.lower()} = 0" for status in OperationStatus)
        forget = "breaker_opened_at = NULL, breaker_failures = 0, probe_at = NULL, request_ids = FALSE"
        await self.world.reader.execute(f"UPDATE leshan_server SET {zeros}, {forget}")  # noqa: S608 - names of ours
        self.stores = [LosingStore(open_store(self.url, unsafe=True)) for _ in range(2)]
        for store in self.stores:
            await self.world.ledger(store, max_in_flight=2)
        await self.world.ingest(*(registered(name, queue_mode=name != "c") for name in NAMES))

    @rule(which=st.booleans(), names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), data=st.data())
    def create(self, which: bool, names: list[str], data: st.DataObject) -> None:
        operations = [self._new(name, data) for name in names]
        self.ids += [operation.id for operation in operations]
        self.do(self.either(which).submit(Create(operations)))

    def _new(self, name: str, data: st.DataObject) -> NewOperation:
        kind, path = data.draw(st.sampled_from(KINDS))
        ttl, most = data.draw(st.sampled_from((None, None, 5))), data.draw(st.integers(1, 3))
        later = data.draw(st.sampled_from((None, None, -1, 3)))
        return new(
            name,
            kind,
            path,
            ttl_seconds=ttl,
            max_attempts=most,
            supersede=data.draw(st.booleans()),
            priority=data.draw(st.sampled_from((0, 0, 5))),
            not_before=None if later is None else self.world.now + later * SECOND,
            sequence=data.draw(st.sampled_from((None, None, "s", "t"))),
        )

    @rule(slots=st.integers(1, 3))
    def both_claim_at_once(self, slots: int) -> None:
        claims = [ledger.enqueue(Claim(slots, str(uuid4()))) for ledger in self._loop_ledgers()]
        claimed = [one for some in self.do(_all(claims)) for one in some]
        assert len({one.endpoint_id for one in claimed}) == len(claimed)
        assert not claimed or not self.paused & {*SCOPES[:2]}
        assert not {Scope(endpoint=one.request.endpoint) for one in claimed} & self.paused
        self._takes(claimed)

    def _takes(self, claimed: list[Claimed]) -> None:
        """Store claims in one order, whichever ledger was first: later draws from them must be reproducible."""
        self.out += sorted(claimed, key=lambda one: one.seq)

    def _loop_ledgers(self) -> list[Any]:
        self.runner.get_loop()  # futures of enqueue belong to this loop
        return [_OnLoop(self.runner, ledger) for ledger in self.world.ledgers]

    @rule(which=st.booleans(), report=st.sampled_from(REPORTS), data=st.data(), again=st.booleans())
    def settle(self, which: bool, report: Any, data: st.DataObject, again: bool) -> None:
        if self.out:
            one = data.draw(st.sampled_from(self.out))
            token = data.draw(st.sampled_from((one.token, None)))
            for _ in range(1 + again):  # the second time the fence is stale, unless it was claimed again
                self.do(self.either(which).submit(Settle(one.seq, one.attempt, report, token)))

    @rule(which=st.booleans(), report=st.sampled_from(REPORTS), data=st.data())
    def somebody_without_the_lease_settles(self, which: bool, report: Any, data: st.DataObject) -> None:
        if self.out:
            one = data.draw(st.sampled_from(self.out))
            assert self.do(self.either(which).submit(Settle(one.seq, one.attempt, report, "another's"))) is None

    @rule(which=st.booleans(), data=st.data())
    def leshan_holds_it(self, which: bool, data: st.DataObject) -> None:
        if self.out:
            one = data.draw(st.sampled_from(self.out))
            self.held.append((one.request.endpoint, f"{one.seq}-{one.attempt}"))
            self.do(self.either(which).submit(Settle(one.seq, one.attempt, delayed(self.held[-1][1]), one.token)))

    @rule(report=st.sampled_from(REPORTS[:6]), data=st.data(), early=st.booleans())
    def what_leshan_held_is_answered(self, report: Any, data: st.DataObject, early: bool) -> None:
        """With ``early``, the response arrives before any report that Leshan holds the request."""
        known = [(one.request.endpoint, f"{one.seq}-{one.attempt}") for one in self.out] if early else self.held
        if known:
            name, request = data.draw(st.sampled_from(known))
            self.do(self.world.ingest(response(name, request, report)))

    @rule(which=st.booleans(), data=st.data(), request_ids=st.booleans())
    def lost_calls_are_asked_about(self, which: bool, data: st.DataObject, request_ids: bool) -> None:
        self.do(self.either(which).submit(UpdateServerInfo(request_ids=request_ids)))
        if self.out:
            one = data.draw(st.sampled_from(self.out))
            self.do(self.either(which).submit(HandOver(one.seq, one.attempt, one.token, LOST)))
        self._takes(self.do(self.either(not which).submit(TakeLost(str(uuid4())))))

    @rule(which=st.booleans())
    def the_answer_to_the_next_commit_is_lost(self, which: bool) -> None:
        self.stores[which].after_commit = 1

    @rule(which=st.booleans(), scope=st.sampled_from(SCOPES))
    def pause(self, which: bool, scope: Scope) -> None:
        self.do(self.either(which).submit(PauseDispatch(scope, "me", "a test")))
        self.paused.add(scope)

    @rule(which=st.booleans(), scope=st.sampled_from(SCOPES))
    def resume(self, which: bool, scope: Scope) -> None:
        lost = self.stores[which].after_commit
        try:
            self.do(self.either(which).submit(ResumeDispatch(scope, "me")))
        except NotFound:
            assert scope not in self.paused
        else:
            assert scope in self.paused or lost, "who resumed it before is told so when in doubt"
        self.paused.discard(scope)

    @rule(which=st.booleans(), data=st.data())
    def release(self, which: bool, data: st.DataObject) -> None:
        if self.out:
            one = data.draw(st.sampled_from(self.out))
            self.do(self.either(which).submit(Release(one.seq, one.attempt)))

    @rule(which=st.booleans(), data=st.data())
    def cancel(self, which: bool, data: st.DataObject) -> None:
        if not self.ids:
            return
        id_ = data.draw(st.sampled_from(self.ids))
        sql = """
            SELECT o.status, e.lease_operation = o.seq AND NOT e.call_open AND e.wake_seq = e.lease_wake_seq AS held
            FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE o.id = $1
        """
        row = self.do(self.world.row(sql, id_))
        before, lost = row["status"], self.stores[which].after_commit
        try:
            self.do(self.either(which).submit(Cancel(id_)))
        except Conflict:
            assert before != OperationStatus.QUEUED
            assert not row["held"]
        else:  # a request that Leshan holds is to be withdrawn
            assert before == OperationStatus.QUEUED or row["held"] or (lost and before == OperationStatus.CANCELED)

    @rule(which=st.booleans(), data=st.data())
    def cancel_many(self, which: bool, data: st.DataObject) -> None:
        if self.seen:
            seqs = data.draw(st.lists(st.sampled_from(sorted(self.seen)), unique=True, min_size=1, max_size=5))
            self.do(self.either(which).submit(CancelMany(seqs)))

    @rule(which=st.booleans(), data=st.data(), name=st.sampled_from(NAMES), key=st.sampled_from(("k1", "k2")))
    def create_once(self, which: bool, data: st.DataObject, name: str, key: str) -> None:
        operation = new(name, value=data.draw(st.sampled_from("xy")), idempotency_key=key)
        try:
            (created,) = self.do(self.either(which).submit(Create([operation])))
        except Conflict:
            assert (name, key) in self.keys
        else:
            assert self.keys.setdefault((name, key), created.id) == created.id
            self.ids.append(created.id)

    @rule(which=st.booleans(), data=st.data(), twice=st.booleans())
    def retry(self, which: bool, data: st.DataObject, twice: bool) -> None:
        if not self.seen:
            return
        old = data.draw(st.sampled_from(sorted(self.seen)))
        sql = "SELECT e.name, o.status FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE o.seq = $1"
        row = self.do(self.world.row(sql, old))
        for number in range(1 + twice):
            try:
                (created,) = self.do(self.either(which).submit(Create([new(row["name"], retry_of=old)])))
            except Conflict:
                continue
            assert OperationStatus(row["status"]) in TERMINAL
            assert number == 0, "it has an unfinished retry by now"
            self.ids.append(created.id)

    @rule(name=st.sampled_from(NAMES), anew=st.booleans())
    def wake(self, name: str, anew: bool) -> None:
        self.updates += 1
        id_ = f"r{self.updates}" if anew else "r1"
        event = registered(name, id_, self.updates) if anew else updated(name, self.updates, id_)
        self.do(self.world.ingest(event))

    @rule(seconds=st.sampled_from((0, 6, 50, 120, 700)))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_(seconds)
        self.do(self.either(False).submit(Sweep()))

    @invariant()
    def every_step_is_a_move_of_the_table(self) -> None:
        if not hasattr(self, "world"):
            return
        sql = "SELECT operation_id, number, from_status, to_status FROM transition ORDER BY seq"
        story: dict[int, list[tuple[Any, ...]]] = {}
        for row in self.do(self.world.rows(sql)):
            story.setdefault(row["operation_id"], []).append((row["number"], row["from_status"], row["to_status"]))
        for seq, steps in story.items():
            known = self.seen.setdefault(seq, Seen())
            assert steps[: len(known.steps)] == known.steps, "what was told is never told otherwise"
            assert [number for number, _, _ in steps] == list(range(1, len(steps) + 1))
            for _, before, after in steps:
                assert OperationStatus(after) in MOVES[before and OperationStatus(before)]
            assert all(OperationStatus(after) not in TERMINAL for _, _, after in steps[:-1])
            known.steps = steps

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.do(self._end())
        self.runner.close()

    async def _end(self) -> None:
        for ledger in self.world.ledgers:
            await ledger.close()
        await self.world.reader.close()
        assert await violations(self.url, now=0) == []


@dataclass
class _OnLoop:
    """A ledger whose commands are submitted inside the machine's loop."""

    runner: asyncio.Runner
    ledger: Any

    def enqueue(self, command: Any) -> Any:
        async def asked() -> Any:
            return self.ledger.enqueue(command)

        return self.runner.run(asked())


async def _all(futures: list[Any]) -> list[Any]:
    return list(await asyncio.gather(*futures))


@pytest.mark.timeout(600)
def test_any_interleaving_follows_the_lifecycle_table(database_url: str) -> None:
    machine = type("Here", (Ledgers,), {"url": database_url})
    bounded = settings(
        max_examples=12, stateful_step_count=63, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(machine, settings=bounded)
