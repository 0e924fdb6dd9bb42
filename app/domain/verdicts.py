"""What follows from an outcome, as data. The table is ``app/dispatcher/verdict.py``; the ledger carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from app.domain.enums import Delivery, Instant, OperationKind, OperationStatus, Presence, ReasonCode
from app.domain.events import Registration
from app.domain.outcomes import Outcome
from app.domain.values import JsonValue, TypedValue


@dataclass(frozen=True, slots=True)
class Report:
    """An outcome with its content typed: what one call came to, ready to be settled.

    Attributes:
        answer: what the operation shows as its answer, in the contract's form.
        values: path -> value of each resource that the answer told.
        leshan_healthy: what a probe said after an UNEXPECTED answer; None where none was needed.
        at: when the device answered, of the ledger's clock; None where that is not known.
        held_under: DELAYED only: the registration that Leshan reported right after its answer; None if it did not.
    """

    outcome: Outcome
    answer: JsonValue = None
    values: Mapping[str, TypedValue] = field(default_factory=dict)
    leshan_healthy: bool | None = None
    at: Instant | None = None
    held_under: Registration | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of the attempt that an outcome ends: the facts that a verdict needs, read under the append lock.

    Attributes:
        attempts: counted attempts before this one.
        delivery: of the operation over all earlier attempts.
        queue_mode: whether the device sleeps; an unknown one is taken to.
        answers_others_only: whether the device answers other operations under its registration, and has never answered
            one of this kind: a composite, which LwM2M does not oblige it to know.
    """

    kind: OperationKind
    repeatable: bool
    attempts: int
    max_attempts: int
    delivery: Delivery
    queue_mode: bool
    answers_others_only: bool = False


class BreakerSignal(Enum):
    """What an outcome says of the Leshan server."""

    NONE = auto()
    WELL = auto()
    """It answered as Leshan answers."""
    TROUBLE = auto()
    """A proxy's error or a passed deadline: the fifth in a row over different endpoints opens the breaker."""
    DOWN = auto()
    """It could not be reached, or turned us away: the breaker opens at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the operation, its endpoint and the breaker.

    Attributes:
        status: the operation's next status; SENDING only for a delayed request.
        delivery: what this attempt tells of the request and the device.
        counted: whether the attempt counts. One that the device answered, and that is to be tried again, holds back the
            object instances of its operation until the retry.
        ends_turn: the device was silent: nothing is sent to the endpoint until its next wake, or the retry time of one
            that does not sleep.
        presence: to be written if the endpoint did not wake since the claim; None leaves it.
        heard: the device answered, so its awake window begins anew.
        set_back: Leshan's fault: the endpoint pauses a little, so that no call is repeated in a tight loop.
    """

    status: OperationStatus
    reason: ReasonCode | None
    delivery: Delivery
    detail: str | None = None
    counted: bool = False
    ends_turn: bool = False
    presence: Presence | None = None
    heard: bool = False
    set_back: bool = False
    breaker: BreakerSignal = BreakerSignal.NONE


Judge: TypeAlias = Callable[[Attempt, Report], Verdict]
"""The verdict table as a pure function; the ledger is given one, so that it needs to know no table."""
