"""Settings of a simulated Leshan server and its devices. Times are in seconds, by the running machine's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from simulator.firmware_behaviours import NORMAL, FirmwareBehaviour

Range = tuple[float, float]
"""A shortest and a longest time in seconds: each time is drawn between them, by the seed."""


class Mode(StrEnum):
    """The way in which the server answers a request for a client that sleeps."""

    M16 = "M16"
    """Stock Leshan up to 2.0.0-M16: 400 ``Invalid request: .. is sleeping``."""
    M18 = "M18"
    """Stock Leshan from 2.0.0-M17: 200 ``delayed:true``, kept in memory, one per registration."""
    REVEILLE = "reveille"
    """Reveille's own Leshan server: 409 ``CLIENT_SLEEPING``, ``BUSY`` and 429 instead of waiting; any name can be
    addressed; NOTIFICATION and SEND wake; request ids, errors as JSON, ``/server/info``, and events in envelopes that
    are replayed after their id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Settings of one simulator.

    Attributes:
        devices: their number (named ``dev-0000`` and on), or their names.
        seed: all randomness follows from it and from the device's name.
        autonomous: devices register, wake and sleep by themselves; otherwise only on command.
        queue_mode_share: share of devices in queue mode, 0 to 1.
        awake_window_seconds: the time for which the server takes a client as awake after a registration, an update or a
            response. Reveille's own window must be set to the same.
        listen_seconds: the time for which a device really listens after each of its messages; None: the whole window.
        asleep_seconds: the time for which an autonomous device sleeps.
        start_within_seconds: an autonomous device registers at a random time within this after the start.
        update_with_registration_share: share of an autonomous device's wakes that are a new registration.
        reboot_seconds: duration of a reboot; None: a rebooted device stays offline until a command registers it.
        answer_seconds: the time that a device takes to respond.
        refuse_rate, silent_rate: share of requests that a device refuses (5.00) or leaves unanswered.
        default_timeout_seconds: Leshan's timeout without ``timeout=``.
        max_open_calls: of the server, the others wait (a stock Leshan has about 200 threads), or are refused (our own);
            None: no limit.
        max_body_bytes: a device answers REQUEST_ENTITY_TOO_LARGE(413) above it; None: no limit.
        objects: LwM2M objects that each device has.
        firmware: how each device updates its firmware, until a command changes it.
        registration_attributes: further attributes of each registration, like ``{"at": "30"}``.
        heartbeat_seconds: of the event stream.
        received_kept: the number of newest requests that each device lists; it counts them all.
        webhook_url: the address to which events are posted (``/leshan/events`` of Reveille); None: no posts.
        webhook_secret: signs the posts as Standard Webhooks define; ``webhook_token``: or a bearer token.
        server_name: sent along with each webhook event.
    """

    devices: int | Sequence[str] = 20
    seed: int = 0
    mode: Mode = Mode.M18
    autonomous: bool = True
    queue_mode_share: float = 1.0
    awake_window_seconds: float = 93.0
    listen_seconds: float | None = None
    asleep_seconds: Range = (60.0, 120.0)
    start_within_seconds: float = 5.0
    update_with_registration_share: float = 0.0
    reboot_seconds: float | None = 2.0
    lifetime_seconds: int = 300
    answer_seconds: Range = (0.0, 0.0)
    refuse_rate: float = 0.0
    silent_rate: float = 0.0
    default_timeout_seconds: int = 5
    max_open_calls: int | None = None
    max_body_bytes: int | None = None
    objects: Sequence[int] = (1, 3, 5, 6, 3303, 3442)
    firmware: FirmwareBehaviour = NORMAL
    registration_attributes: dict[str, str] = field(default_factory=dict)
    heartbeat_seconds: float = 10.0
    received_kept: int = 1_000
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_token: str | None = None
    server_name: str | None = None

    @classmethod
    def demo(cls, **changes: Any) -> Self:
        """Return settings for demonstrations: devices stay awake 10 s and sleep 5 to 15 s, and take a moment to
        respond."""
        settings: dict[str, Any] = {
            "awake_window_seconds": 10.0,
            "asleep_seconds": (5.0, 15.0),
            "answer_seconds": (0.05, 0.4),
        }
        return cls(**(settings | changes))

    @classmethod
    def manual(cls, *devices: str, **changes: Any) -> Self:
        """Return settings for tests: the named devices (``dev-0000`` without a name), which act only on command."""
        return cls(devices=devices or ("dev-0000",), **({"autonomous": False} | changes))

    def names(self) -> list[str]:
        """Return the devices' endpoint names."""
        if isinstance(self.devices, int):
            return [f"dev-{number:04d}" for number in range(self.devices)]
        return list(self.devices)
