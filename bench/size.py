"""How much is measured: everything is bounded, and a small size is there to see that all of it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Attributes:
    rounds: how often each line is measured; the median counts.
    operations: of a round of dispatching. events: of a round of the webhook.
    devices: that dispatching spreads its operations over.
    slow_devices, slow_limit: devices that answer in 2 s, and calls that may be open.
    wakes: devices that wake one after the other.
    subscribers, transitions: sockets that subscribe to the same, and what they are told one by one.
    queued: operations in the table beside which claims are compared with 1,000.
    pages: pages of a round.
    braked: operations queued when the emergency brake is pulled.
    """

    rounds: int = 3
    operations: int = 12_000
    events: int = 12_000
    devices: int = 2_000
    slow_devices: int = 2_000
    slow_limit: int = 500
    wakes: int = 200
    subscribers: int = 1_000
    transitions: int = 30
    queued: int = 1_000_000
    pages: int = 200
    braked: int = 40_000


SMALL = Size(
    rounds=1,
    operations=2_000,
    events=2_000,
    devices=300,
    slow_devices=200,
    slow_limit=100,
    wakes=30,
    subscribers=100,
    transitions=5,
    queued=20_000,
    pages=40,
    braked=3_000,
)
