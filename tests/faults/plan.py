"""The plan of a seed: the operations of one run, the actions of its devices, and the times of the faults.

Pure: the same seed gives the same plan. The interleaving of the processes remains random.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.updates import Update, planned

Json = dict[str, Any]

DEVICES: Final = 20
BATCHES: Final = 52
DELETIONS: Final = 2
SPAN: Final = 5.0
"""Seconds within which operations are created and faults begin."""

PAST_THE_LEASE: Final = 18.5
"""Seconds: an operation with 1 s has a lease of 16 s, one with 2 s a lease of 17 s."""

PROCESS_FAULTS: Final = ("kill", "freeze", "restart")
ROLES: Final = ("api", "dispatch", "dispatch", "bridge")
OTHER_FAULTS: Final = (
    "redis_stopped",
    "redis_frozen",
    "postgres_sessions_ended",
    "postgres_restarted",
    "postgres_crashed",
    "leshan_frozen",
    "leshan_restarted",
    "leshan_never_answers",
    "leshan_closes_after_delivery",
    "leshan_resets_after_delivery",
    "proxy_502_after_delivery",
    "answer_unreadable",
)
FROZEN_PAST_THE_LEASE: Final = "freeze_dispatch_past_lease"


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations that are created together. ``twice``: requested from both API processes at once, with the same
    keys. ``notBefore`` of the inputs is in seconds after the beginning of the run."""

    at: float
    inputs: list[Json]
    twice: bool

    @property
    def keyed(self) -> bool:
        """Return whether the request can be repeated without a second execution."""
        return all("idempotencyKey" in one for one in self.inputs)


@dataclass(frozen=True, slots=True)
class FilterBatch:
    """A batch with one operation for each device, requested from both API processes at once if ``twice``."""

    at: float
    name: str
    template: Json
    twice: bool


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of an endpoint, right after operations were created for it. It has a device of its own, which is in
    no batch and in no filter: an operation for it could be refused."""

    at: float
    device: str
    inputs: list[Json]


@dataclass(frozen=True, slots=True)
class Move:
    """An action of a device, or its response to its next requests: a call of the simulator's ``/sim``."""

    at: float
    device: str
    verb: str
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that begins at ``at`` and lasts for ``seconds``; ``which`` selects its target."""

    at: float
    kind: str
    seconds: float
    which: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One run."""

    seed: int
    devices: list[str]
    awake: frozenset[str]
    """Devices without queue mode."""
    batches: list[Batch]
    filter_batches: list[FilterBatch]
    deletions: list[Deletion]
    updates: list[Update]
    moves: list[Move]
    faults: list[Fault]

    @property
    def all_devices(self) -> list[str]:
        """Return the devices, those whose endpoints are deleted, and those whose firmware is updated."""
        return [*self.devices, *(deletion.device for deletion in self.deletions), *self.updated]

    @property
    def updated(self) -> list[str]:
        """Return the devices whose firmware is updated."""
        return [update.device for update in self.updates]

    @property
    def like(self) -> str:
        """Return the simulated kind of Leshan server: that of every other run stores request ids."""
        return "reveille" if self.seed % 2 else "M18"

    @property
    def observed(self) -> bool:
        """Return whether an observation rule is in force until all is healed: in every third run."""
        return self.seed % 3 == 0


def plan(seed: int) -> Plan:
    """Return the plan of this seed."""
    dice = random.Random(seed)
    devices = [f"s{seed}-{number}" for number in range(DEVICES)]
    awake = frozenset(dice.sample(devices, 3))
    batches = sorted((_batch(dice, devices, number) for number in range(BATCHES)), key=lambda batch: batch.at)
    moves = [_move(dice, device) for device in devices for _ in range(dice.randint(4, 9))]
    faults = _faults(dice)
    for batch in batches:
        for one in batch.inputs:
            one.update(_intent(dice, one))
    for_each = [_filter_batch(dice, f"{seed}/{number}") for number in range(dice.randint(1, 2))]
    deletions = [_deletion(dice, f"deleted-{seed}-{number}") for number in range(DELETIONS)]
    moves += [_move(dice, one.device) for one in deletions for _ in range(dice.randint(4, 9))]
    updates = planned(dice, seed, SPAN)
    moves += [_wake(dice, one.device) for one in updates for _ in range(dice.randint(2, 6))]
    moves.sort(key=lambda move: move.at)
    return Plan(seed, devices, awake, batches, for_each, deletions, updates, moves, faults)


def _batch(dice: random.Random, devices: list[str], number: int) -> Batch:
    keyed = dice.random() < 0.8
    inputs = [_operation(dice, dice.choice(devices)) for _ in range(dice.choice((1, 1, 2, 3, 5)))]
    for index, one in enumerate(inputs):
        one |= {"timeoutSeconds": dice.choice((1, 1, 1, 2))}
        if dice.random() < 0.2:
            one["priority"] = dice.choice((-5, 1, 5))
        if dice.random() < 0.1:
            one["ttlSeconds"] = dice.randint(1, 6)
        if keyed:
            one["idempotencyKey"] = f"{number}/{index}"
    return Batch(dice.uniform(0, SPAN), inputs, twice=keyed and dice.random() < 0.2)


def _intent(dice: random.Random, one: Json) -> Json:
    """Return a time or a sequence for some operations; with ``ttlSeconds``, a time might be too late."""
    intent: Json = {}
    if "ttlSeconds" not in one and dice.random() < 0.15:
        intent["notBefore"] = dice.uniform(0, SPAN + 3)
    if dice.random() < 0.4:
        intent["sequence"] = dice.choice(("a", "a", "b"))
    return intent


def _filter_batch(dice: random.Random, name: str) -> FilterBatch:
    kind = dice.choice(("READ", "WRITE", "EXECUTE"))
    template = {"kind": kind, "timeoutSeconds": 1, **_OPERATIONS[kind](dice)}
    return FilterBatch(dice.uniform(0, SPAN), name, template | _intent(dice, template), twice=dice.random() < 0.5)


def _deletion(dice: random.Random, device: str) -> Deletion:
    inputs = [_operation(dice, device) for _ in range(dice.randint(1, 4))]
    for index, one in enumerate(inputs):
        one |= {"timeoutSeconds": 1, "idempotencyKey": f"deleted/{index}"}
    return Deletion(dice.uniform(0, SPAN), device, inputs)


def _operation(dice: random.Random, device: str) -> Json:
    kind = dice.choices(list(_OPERATIONS), (30, 20, 30, 10, 8, 2))[0]
    return {"endpoint": device, "kind": kind.split()[0], **_OPERATIONS[kind](dice)}


_TEXT: Final = {"id": 110, "kind": "singleResource", "type": "STRING", "value": "made"}

_OPERATIONS: Final[dict[str, Callable[[random.Random], Json]]] = {
    "WRITE": lambda dice: {"path": "/5/0/1", "value": {"string": f"https://url.com/{dice.random()}.bin"}},
    "READ": lambda dice: {"path": dice.choice(("/3/0/0", "/3303/0/5700", "/1/0"))},
    "EXECUTE": lambda dice: {"path": dice.choice(("/3442/0/0", "/3442/0/2", "/3303/0/5605"))},
    "CREATE": lambda dice: {
        "path": "/3442",
        "value": {"node": {"kind": "instance", "id": dice.randint(1, 60_000), "resources": [_TEXT]}},
    },
    "DELETE": lambda dice: {"path": f"/3442/{dice.randint(1, 9)}"},
    "EXECUTE reboot": lambda _: {"path": "/3/0/4"},
}


def _wake(dice: random.Random, device: str) -> Move:
    return Move(dice.uniform(0, SPAN), device, dice.choice(("wake", "sleep", "register")))


def _move(dice: random.Random, device: str) -> Move:
    at = dice.uniform(0, SPAN)
    verb = dice.choices(("wake", "sleep", "deafen", "hear", "register", "behaviour"), (40, 12, 6, 6, 6, 30))[0]
    return Move(at, device, verb, {**dice.choice(_BEHAVIOURS), "times": 1} if verb == "behaviour" else {})


_BEHAVIOURS: Final[tuple[Json, ...]] = (
    {"kind": "success", "delay_ms": 150},
    {"kind": "success", "delay_ms": 600},
    {"kind": "success", "delay_ms": 900},
    {"kind": "success", "delay_ms": 1_500},  # executed, with a response after the timeout
    {"kind": "silent"},
    {"kind": "silent", "carry_out": True, "carry_out_after_ms": 2_500},
    {"kind": "refuse", "code": 404},
    {"kind": "refuse", "code": 500},
    {"kind": "refuse", "code": 503},
    {"kind": "nonsense"},
    {"kind": "cancelled"},
    {"kind": "not_connected"},
    {"kind": "delayed"},
    {"kind": "sleeping"},
    {"kind": "half_body"},
)


def _faults(dice: random.Random) -> list[Fault]:
    faults = [_fault(dice) for _ in range(dice.randint(3, 6))]
    if dice.random() < 0.25:
        which = dice.randrange(2)
        faults.append(Fault(dice.uniform(0.3, 2.0), FROZEN_PAST_THE_LEASE, PAST_THE_LEASE, which))
    return sorted(faults, key=lambda fault: fault.at)


def _fault(dice: random.Random) -> Fault:
    at, which = dice.uniform(0.2, SPAN), dice.randrange(1_000)
    if dice.random() < 0.5:
        kind = f"{dice.choice(PROCESS_FAULTS)}_{dice.choice(ROLES)}"
        # a lease lasts 16 s: a later kill only makes the run longer
        at = min(at, dice.uniform(0.2, 2.5)) if kind == "kill_dispatch" else at
        return Fault(at, kind, dice.uniform(0.1, 3.0), which)
    return Fault(at, dice.choice(OTHER_FAULTS), dice.uniform(0.2, 2.5), which)
