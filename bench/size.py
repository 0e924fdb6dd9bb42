"""The sizes of the measurements: everything is bounded, and a small size verifies that all of it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """The sizes of one run.

    Attributes:
        rounds: how often each line is measured; the median is reported.
        operations: operations per round of dispatching.
        events: events per round of the webhook.
        devices: devices that dispatching distributes its operations over.
        slow_devices, slow_limit: devices that respond in 2 s, and calls that may be open.
        wakes: devices that wake one after the other.
        subscribers, transitions: sockets with the same subscription, and the transitions that they receive one by one.
        queued: operations in the table for which claims are compared with 1,000.
        pages: pages per round.
        braked: operations queued when the emergency brake is applied.
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
