"""Invariant 7 by the raw facts: a device that can be called and has an operation to be sent is called, whatever
happened.

Random histories of a device in queue mode and of one without. After each step a dispatcher polls, as it does every few
seconds; then the check reads presence, pauses, breaker and retry times as stored, and nothing that the ledger derives
from them (``ready_at``, ``next_operation``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.enums import SECOND, OperationKind
from app.domain.events import Reported
from app.models.fields import load_json
from app.models.invariant_check import violations
from app.models.ledger import Cancel, Claimed, Create, Probed, ResumeDispatch, Scope, Settle, Sweep, open_store
from app.models.ledger.pauses import PauseDispatch
from tests.support.ledger import (
    ASLEEP,
    BUSY,
    ERROR,
    LOST,
    PROXY,
    REBOOT,
    REFUSED,
    SILENT,
    SUCCESS,
    UNCONNECTED,
    UNREGISTERED,
    LedgerWorld,
    awake,
    delayed,
    deregistered,
    new,
    registered,
    response,
    sleeping,
    updated,
)

QUEUE_MODE, ALWAYS_ON = "queue-mode", "always-on"
NAMES: Final = (QUEUE_MODE, ALWAYS_ON)
ANSWERS: Final = (SUCCESS, REFUSED, ERROR, BUSY)
HEARD: Final = ("awake", "sleeping", "reported", "deregistered")
REPORTS: Final = (*ANSWERS, *ANSWERS, SILENT, SILENT, LOST, ASLEEP, UNREGISTERED, UNCONNECTED, PROXY)
WISHES: Final[tuple[tuple[OperationKind, str | None, tuple[str, ...]], ...]] = (
    (OperationKind.WRITE, "/5/0/1", ()),
    (OperationKind.READ, "/5/0/3", ()),
    (OperationKind.READ, "/5", ()),
    (OperationKind.READ, "/3/0/0", ()),
    (OperationKind.EXECUTE, "/3303/0/5605", ()),
    (OperationKind.READ_COMPOSITE, None, ("/3/0/0", "/5/0/3")),
    (*REBOOT, ()),
)


async def at_once() -> None:
    """Do not wait before late endpoints are checked again."""


class Histories(RuleBasedStateMachine):
    """One ledger, two devices, and a dispatcher that misses nothing."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.out: list[Claimed] = []
        self.held: list[tuple[str, str]] = []
        self.updates = 1

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def submit(self, command: Any) -> Any:
        return self.do(self.world.ledgers[0].submit(command))

    @initialize()
    def begin(self) -> None:
        self.world = LedgerWorld(self.url, open_store(self.url, unsafe=True))
        self.do(self._begin())

    async def _begin(self) -> None:
        await self.world.reader.open()
        await self.world.clear()
        await self.world.reader.execute("DELETE FROM leshan_server")
        await self.world.ledger()
        await self.world.ingest(*(registered(name, **facts(name)) for name in NAMES))

    # --- events

    @rule(name=st.sampled_from(NAMES), wishes=st.lists(st.sampled_from(WISHES), min_size=1, max_size=3), data=st.data())
    def create(self, name: str, wishes: list[Any], data: st.DataObject) -> None:
        more: dict[str, Any] = {
            "priority": data.draw(st.sampled_from((0, 0, 0, 5))),
            "ttl_seconds": data.draw(st.sampled_from((None, None, 20))),
            "max_attempts": data.draw(st.sampled_from((3, 3, 1))),
            "sequence": data.draw(st.sampled_from((None, None, None, "s"))),
        }
        later = data.draw(st.sampled_from((None, None, None, 1, 10)))
        more["not_before"] = None if later is None else self.world.now + later * SECOND
        self.submit(Create([new(name, kind, path, paths=paths, **more) for kind, path, paths in wishes]))

    @precondition(lambda self: self.out)
    @rule(report=st.sampled_from(REPORTS), data=st.data())
    def the_call_ends(self, report: Any, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.out))
        self.out.remove(one)
        self.submit(Settle(one.seq, one.attempt, report))

    @rule(seconds=st.sampled_from((30, 1, 6, 60, 120, 600)))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_(seconds)
        self.submit(Sweep())

    @rule(name=st.sampled_from(NAMES), what=st.sampled_from(("update", "register", *HEARD)))
    def the_device_is_heard(self, name: str, what: str) -> None:
        self.updates += 1
        id_ = self.do(self.registration(name))
        event: Any = Reported(endpoint=name, nodes={}, wakes=True)
        if what == "register":
            event = registered(name, f"r{self.updates}", self.updates, **facts(name))
        elif what == "update":
            event = updated(name, self.updates, id_, **facts(name))
        elif what == "awake":
            event = awake(name)
        elif what == "sleeping":
            event = sleeping(name)
        elif what == "deregistered":
            event = deregistered(name, id_)
        self.do(self.world.ingest(event))

    async def registration(self, name: str) -> str | None:
        id_: str | None = (await self.world.endpoint(name))["registration_id"]
        return id_ or f"r{self.updates}"

    @rule(
        name=st.sampled_from(NAMES),
        what=st.sampled_from(("pause", "cancel", "probe", "delay", "answer")),
        data=st.data(),
    )
    def somebody_acts(self, name: str, what: str, data: st.DataObject) -> None:
        """Act as an operator who pauses, resumes or cancels, or as Leshan: a probe succeeds, a request is held, or a
        held one is answered."""
        if what == "pause":
            paused = name in self.do(self.paused())
            scope = Scope(endpoint=name)
            self.submit(ResumeDispatch(scope, "me") if paused else PauseDispatch(scope, "me", "a test"))
        elif what == "probe":
            self.submit(Probed(healthy=True))
        elif what == "cancel":
            queued = self.do(self.world.rows("SELECT id, seq FROM operation WHERE status = 'QUEUED' ORDER BY seq"))
            if queued:
                self.submit(Cancel(str(data.draw(st.sampled_from(queued))["id"])))
        elif what == "delay" and self.out:
            one = data.draw(st.sampled_from(self.out))
            self.out.remove(one)
            self.held.append((one.request.endpoint, f"{one.seq}-{one.attempt}"))
            self.submit(Settle(one.seq, one.attempt, delayed(self.held[-1][1])))
        elif what == "answer" and self.held:
            endpoint, request = data.draw(st.sampled_from(self.held))
            self.do(self.world.ingest(response(endpoint, request, data.draw(st.sampled_from(ANSWERS)))))

    async def paused(self) -> list[str]:
        sql = (
            "SELECT e.name FROM endpoint e JOIN dispatch_pause p ON p.endpoint_id = e.id AND p.resumed_at IS NULL "
            "ORDER BY e.name"
        )
        return [row["name"] for row in await self.world.rows(sql)]

    # --- the invariant

    @invariant()
    def who_can_be_called_is_called(self) -> None:
        if hasattr(self, "world"):
            self.do(self._poll())
            assert self.do(self._forgotten()) == []

    async def _poll(self) -> None:
        """Poll for work, as dispatchers do. A claim that found an expired operation is repeated once."""
        for _ in range(2):
            claimed = await self.world.claim(10)
            self.out += sorted(claimed, key=lambda one: one.seq)

    async def _forgotten(self) -> list[str]:
        server = await self.world.server()
        if server["breaker_opened_at"] is not None:
            return []
        paused = await self.paused()
        found = []
        for endpoint in await self.world.rows("SELECT * FROM endpoint ORDER BY name"):
            sql = (
                "SELECT * FROM operation WHERE endpoint_id = $1 AND status = 'QUEUED' "
                "AND (expires_at IS NULL OR expires_at > $2) ORDER BY priority DESC, seq"
            )
            queue = await self.world.rows(sql, endpoint["id"], self.world.now)
            callable_ = endpoint["name"] not in paused and may_be_called(endpoint, self.world.now)
            found += [f"{endpoint['name']}: {seq}" for seq in sendable(queue, endpoint, self.world.now) if callable_]
        return found

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.do(self._end())
        self.runner.close()

    async def _end(self) -> None:
        for ledger in self.world.ledgers:
            await ledger.close()
        await self.world.reader.close()
        broken = await violations(self.url, now=self.world.now + 11 * SECOND, pause=at_once)
        assert [one for one in broken if not one.startswith("invariant 7: ") or "could have been called" in one] == []


def facts(name: str) -> dict[str, Any]:
    return {"queue_mode": name == QUEUE_MODE, "lifetime_seconds": 86_400}


def may_be_called(endpoint: Mapping[str, Any], now: int) -> bool:
    """Return whether the endpoint may be called, by its stored presence, lease, reboot and retry times."""
    if endpoint["presence"] != "ONLINE" or endpoint["awake_until"] - now < 5 * SECOND:
        return False
    if endpoint["lease_operation"] is not None or endpoint["down_since"] is not None:
        return False
    if (endpoint["not_before"] or 0) > now:
        return False
    if endpoint["held_wake_seq"] is None or endpoint["wake_seq"] > endpoint["held_wake_seq"]:
        return True
    return not endpoint["queue_mode"] and (endpoint["retry_at"] or 0) <= now


def sendable(queue: list[dict[str, Any]], endpoint: Mapping[str, Any], now: int) -> Iterator[int]:
    """Yield the operations that do not wait for their retry, and that no earlier one of the same object instance
    precedes. Those that wait for their time or for an earlier one of their sequence precede none."""
    first: dict[str | None, int] = {}
    for one in sorted(queue, key=itemgetter("seq")):
        first.setdefault(one["sequence"], one["seq"])
    queue = [
        one
        for one in queue
        if (one["not_before"] or 0) <= now and (one["sequence"] is None or first[one["sequence"]] == one["seq"])
    ]
    for place, operation in enumerate(queue):
        held = operation.get("held_wake_seq")
        if held is not None and endpoint["wake_seq"] <= held:
            retry_at = operation["retry_at"]
            if retry_at is None or retry_at > now:
                continue
        if not any(same_instance(operation, earlier) for earlier in queue[:place]):
            yield operation["seq"]


def same_instance(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if "/3/0/4" in (one["path"], other["path"]):
        return True
    pairs = [(a.split("/")[1:3], b.split("/")[1:3]) for a in load_json(one["paths"]) for b in load_json(other["paths"])]
    return any(all(x == y for x, y in zip(a, b, strict=False)) for a, b in pairs)


@pytest.mark.timeout(600)
def test_a_device_that_can_be_called_is_called(database_url: str) -> None:
    machine = type("Here", (Histories,), {"url": database_url})
    bounded = settings(
        max_examples=30, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(machine, settings=bounded)
