"""The consequence of an outcome, as data. The table is ``app/dispatcher/verdict.py``; the ledger applies it."""

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
    """An outcome with its content typed: the result of one call, ready to be settled.

    Attributes:
        answer: the result that the operation shows, in the contract's form.
        values: path -> value of each resource in the response.
        leshan_healthy: the result of a probe after an UNEXPECTED response; None if none was needed.
        at: when the device answered, by the ledger's clock; None if that is not known.
        held_under: DELAYED only: the registration that Leshan reported right after its response; None if it did not.
    """

    outcome: Outcome
    answer: JsonValue = None
    values: Mapping[str, TypedValue] = field(default_factory=dict)
    leshan_healthy: bool | None = None
    at: Instant | None = None
    held_under: Registration | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The known facts about the attempt that an outcome ends, which a verdict needs, read under the append lock.

    Attributes:
        attempts: counted attempts before this one.
        delivery: of the operation over all earlier attempts.
        queue_mode: whether the device uses queue mode. Unknown devices are assumed to.
        answers_others_only: whether the device answers other operations under its registration, and has never answered
            one of this kind: a composite, whose support LwM2M does not require.
    """

    kind: OperationKind
    repeatable: bool
    attempts: int
    max_attempts: int
    delivery: Delivery
    queue_mode: bool
    answers_others_only: bool = False


class BreakerSignal(Enum):
    """The effect of an outcome on the Leshan server's breaker."""

    NONE = auto()
    WELL = auto()
    """It responded as Leshan does."""
    TROUBLE = auto()
    """A proxy's error or a passed deadline: the fifth in a row over different endpoints opens the breaker."""
    DOWN = auto()
    """It could not be reached, or refused the call: the breaker opens at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The changes to the operation, its endpoint and the breaker.

    Attributes:
        status: the operation's next status; SENDING only for a delayed request.
        delivery: what this attempt reveals about the request and the device.
        counted: whether the attempt counts. One that the device answered, and that is to be retried, holds back the
            object instances of its operation until the retry.
        ends_turn: the device was silent: nothing is sent to the endpoint until its next wake, or the retry time of one
            that does not sleep.
        presence: to be written if the endpoint did not wake since the claim; None leaves it.
        device_answered: the device answered, so its awake window starts again.
        set_back: the failure is Leshan's: the endpoint pauses briefly, so that no call is repeated in a tight loop.
    """

    status: OperationStatus
    reason: ReasonCode | None
    delivery: Delivery
    detail: str | None = None
    counted: bool = False
    ends_turn: bool = False
    presence: Presence | None = None
    device_answered: bool = False
    set_back: bool = False
    breaker: BreakerSignal = BreakerSignal.NONE


Judge: TypeAlias = Callable[[Attempt, Report], Verdict]
"""The verdict table as a pure function; the ledger receives one as a parameter and depends on no table."""
