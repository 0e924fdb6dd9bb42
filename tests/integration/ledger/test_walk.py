"""Commands may come in any order: after a random walk through everything that a ledger does, the invariants hold."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from app.domain.enums import SECOND, OperationKind
from app.domain.operations import TURN_ENDERS
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.invariant_check import violations
from app.models.ledger import (
    Cancel,
    Claim,
    Claimed,
    Create,
    DecodedEvent,
    EndListing,
    IngestEvents,
    LedgerError,
    Listed,
    Probed,
    Provision,
    Prune,
    ReadLedgerTime,
    Release,
    Settle,
    Sweep,
    TakeProbe,
)
from app.models.ledger.commands import Command
from tests.support.ledger import (
    LedgerWorld,
    awake,
    deregistered,
    new,
    old_registered,
    old_unregistered,
    old_updated,
    registered,
    response,
    sleeping,
    updated,
)

pytestmark = pytest.mark.asyncio

NAMES: Final = [f"d{n}" for n in range(6)]
ASKED: Final = [
    (OperationKind.WRITE, "/5/0/1"),
    (OperationKind.WRITE, "/3/0/15"),
    (OperationKind.READ, "/3/0"),
    (OperationKind.DELETE, "/3442/1"),
    (OperationKind.EXECUTE, "/3303/0/5605"),
    (OperationKind.EXECUTE, "/3/0/4"),
]


@dataclass
class Walker:
    """A client that submits one command after another to the ledgers, and remembers the open claims."""

    world: LedgerWorld
    dice: random.Random
    out: list[Claimed] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    sent: list[tuple[str, str, int]] = field(default_factory=list)
    updates: int = 1

    async def step(self) -> None:
        """Submit one to six commands at once, to one or two processes."""
        commands = [self.dice.choice(CHOICES)(self) for _ in range(self.dice.randint(1, 6))]
        results = await asyncio.gather(
            *(self.dice.choice(self.world.ledgers).enqueue(command) for command in commands), return_exceptions=True
        )
        for command, result in zip(commands, results, strict=True):
            assert not isinstance(result, BaseException) or isinstance(result, LedgerError), (command, result)
            if isinstance(command, Claim) and isinstance(result, list):
                self.out += result

    def ingest(self) -> Command[Any]:
        events = [self.event(self.dice.choice(NAMES)) for _ in range(self.dice.randint(1, 3))]
        delivery = f"w{self.dice.randint(1, 50)}" if self.dice.random() < 0.3 else None
        return IngestEvents(events, delivery_id=delivery, missed=self.dice.random() < 0.1)

    def event(self, name: str) -> DecodedEvent:
        self.updates += 1
        id_, age = f"r{self.dice.randint(1, 3)}-{self.updates // 40}", self.dice.choice([0, 0, 1, 60, 600])
        more: dict[str, Any] = {
            "queue_mode": NAMES.index(name) % 3 != 0,
            "lifetime_seconds": self.dice.choice([60, 3600, 2**53]),
        }
        last_update = self.dice.choice([self.updates, 1])
        return self.dice.choice(
            [
                DecodedEvent(registered(name, id_, last_update, age=age, **more)),
                DecodedEvent(updated(name, last_update, id_, age=age, ordered=self.dice.random() < 0.5, **more)),
                DecodedEvent(updated(name, last_update, id_, age=age, **more)),
                DecodedEvent(deregistered(name, id_)),
                DecodedEvent(awake(name, age)),
                DecodedEvent(sleeping(name)),
                DecodedEvent(old_registered(name, self.dice.randint(1, 3))),
                DecodedEvent(old_updated(name, self.dice.randint(1, 3))),
                DecodedEvent(old_unregistered(name, self.dice.randint(1, 3))),
                response(name, f"q{self.dice.randint(1, 20)}", self.report()),
            ]
        )

    def create(self) -> Command[Any]:
        operations = []
        for _ in range(self.dice.randint(1, 3)):
            kind, path = self.dice.choice(ASKED)
            key = f"k{self.dice.randint(1, 40)}" if self.dice.random() < 0.2 else None
            operation = new(
                self.dice.choice([*NAMES, "nobody"] if self.dice.random() < 0.1 else NAMES),
                kind,
                path,
                priority=self.dice.choice([0, 0, 0, 5]),
                max_attempts=self.dice.randint(1, 4),
                ttl_seconds=self.dice.choice([None, None, 5, 300]),
                supersede=self.dice.random() < 0.2,
                idempotency_key=key,
                not_before=self.world.now + self.dice.choice([-5, 5, 60]) * SECOND
                if self.dice.random() < 0.2
                else None,
                sequence=self.dice.choice([None, None, None, "s", "t"]),
            )
            self.ids.append(operation.id)
            operations.append(operation)
        return Create(operations)

    def report(self) -> Report:
        kind = self.dice.choice([*OutcomeKind, *[OutcomeKind.SUCCESS] * 6])
        if kind is OutcomeKind.SUCCESS:
            return Report(Outcome(kind, 200, 204, "CHANGED(204)"))
        if kind is OutcomeKind.DEVICE_ANSWERED_NO:
            code = self.dice.choice([404, 405, 429, 500, 503])
            return Report(Outcome(kind, 200, code, f"X({code})"))
        request_id = f"q{self.dice.randint(1, 20)}" if kind is OutcomeKind.DELAYED else None
        healthy = self.dice.random() < 0.7 if kind is OutcomeKind.UNEXPECTED else None
        deadline = kind is OutcomeKind.ANSWER_LOST and self.dice.random() < 0.3
        return Report(Outcome(kind, request_id=request_id, deadline_passed=deadline), leshan_healthy=healthy)

    def settle(self) -> Command[Any]:
        if not self.out:
            return self.claim()
        claimed = self.dice.choice(self.out)
        if self.dice.random() < 0.8:
            self.out.remove(claimed)
        if self.dice.random() < 0.1:
            return Release(claimed.seq, claimed.attempt)
        return Settle(claimed.seq, claimed.attempt, self.report())

    def claim(self) -> Command[Any]:
        return Claim(self.dice.randint(1, 4), str(uuid.uuid4()))

    def cancel(self) -> Command[Any]:
        return Cancel(self.dice.choice(self.ids) if self.ids else str(uuid.uuid4()))

    def tend(self) -> Command[Any]:
        self.world.pass_(self.dice.choice([0, 1, 3, 10, 50, 120]))
        return self.dice.choice([Sweep(), Sweep(), Sweep(), Prune(), TakeProbe(), Probed(healthy=True)])

    def list_(self) -> Command[Any]:
        return self.dice.choice(
            [
                ReadLedgerTime(),
                Listed(self.dice.sample(NAMES, 2)),
                EndListing(self.world.now - 60_000_000),
                Provision("made"),
            ]
        )


CHOICES: Final[list[Callable[[Walker], Command[Any]]]] = [
    *[Walker.ingest] * 5,
    *[Walker.create] * 3,
    *[Walker.settle] * 6,
    *[Walker.claim] * 4,
    Walker.cancel,
    *[Walker.tend] * 2,
    Walker.list_,
]


@pytest.mark.parametrize("seed", range(6))
async def test_the_invariants_hold_after_a_random_walk(empty_world: LedgerWorld, seed: int) -> None:
    for _ in range(2):
        await empty_world.ledger(max_in_flight=4, retention=3600 * 1_000_000)
    walker = Walker(empty_world, random.Random(seed))
    for n in range(250):
        await walker.step()
        if n % 50 == 0:
            assert await violations(empty_world.url, now=0) == []
    assert await empty_world.rows("SELECT 1 FROM operation WHERE status = 'CONFIRMED'")
    assert not await sent_to_a_rebooting_device(empty_world)
    await empty_world.sweep()
    late = [
        sentence for sentence in await violations(empty_world.url, now=empty_world.now) if "could have" not in sentence
    ]
    assert late == []


async def sent_to_a_rebooting_device(world: LedgerWorld) -> list[dict[str, Any]]:
    """Return violations of invariant 6, as far as the rows show them: claims of an endpoint that is still going
    down."""
    assert (3, 4) in TURN_ENDERS
    return await world.rows(
        "SELECT e.name FROM endpoint e JOIN operation o ON o.endpoint_id = e.id "
        "WHERE e.down_since IS NOT NULL AND o.last_attempt_at > e.down_since"
    )
