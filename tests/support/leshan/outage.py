"""Events of a Leshan server whose receiver is away for a while: each arrives once, in order. See ``--help``."""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from unittest import mock

from tests.support import loopback
from tests.support.leshan.devices import Device
from tests.support.leshan.launch import LeshanServer, leshan_devices, leshan_server
from tests.support.leshan.receiver import SECRET, Envelope, Receiver, wrong
from tests.support.waiting import wait_until

OBSERVED: Final = "/3303/0/5700"
NOTIFIED: Final = "NOTIFICATION"


@dataclass
class Report:
    """The actions, the events that arrived, and the violations. ``newest`` is the last value that each device notified.
    Only the ``observed`` devices notify, the others register again instead."""

    done: Counter[str] = field(default_factory=Counter)
    observed: set[str] = field(default_factory=set)
    newest: dict[str, str] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)
    late: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return a few lines for people."""
        rate = self.late / self.seconds if self.seconds else 0
        return "\n".join(
            [
                f"done: {dict(sorted(self.done.items()))}",
                f"arrived: {dict(sorted(self.arrived.items()))}",
                f"{self.late} events were waiting and arrived in {self.seconds:.1f} s ({rate:.0f}/s)",
                *(f"WRONG: {each}" for each in self.wrong or []),
                "each event once and in order" if not self.wrong else f"{len(self.wrong)} things are wrong",
            ]
        )


@contextmanager
def signed() -> Iterator[None]:
    """Set the secret in the environment of servers that are started within the block."""
    with mock.patch.dict(os.environ, {"LESHAN_SERVER_WEBHOOK_SECRET": SECRET}):
        yield


def outage(*, devices: int, seconds: float, rate: float = 100, threads: int = 8) -> Report:
    """Let devices register, update, notify and send while the receiver is away for so long, and check the events that
    arrive.

    `rate` is the maximum number of messages per second of all devices together: more than the outbox holds would be
    dropped.
    """
    with (
        signed(),
        Receiver() as receiver,
        leshan_server(options=["--webhook-url", receiver.url]) as server,
        leshan_devices(server.coap_uri) as fleet,
    ):
        report = Report()
        members = fleet.create_many([f"out-{n:04d}" for n in range(devices)], queue_mode=True)
        report.done["REGISTRATION"] += devices
        observe(server, members, report)
        wait_until(lambda: len(receiver.named("OBSERVATION_ADDED")) == devices)
        receiver.go()
        act(members, seconds, threads, rate, report)
        before = len(receiver.events)
        receiver.come()
        started = time.monotonic()
        wait_until(lambda: waiting(server) == 0, within=600)
        report.late, report.seconds = len(receiver.events) - before, time.monotonic() - started
        with suppress(TimeoutError):  # the report says what is missing
            wait_until(lambda: not missing(list(receiver.events), report), within=20)
        report.arrived = Counter(event["event"] for event in receiver.events)
        report.wrong = wrong(receiver.events) + missing(receiver.events, report)
        return report


def observe(server: LeshanServer, members: list[Device], report: Report) -> None:
    """Make the server observe a value of each device."""
    report.observed |= {device.name for device in members}
    with loopback.Client(base_url=server.url, timeout=60) as http:
        for device in members:
            http.post(f"/clients/{device.name}{OBSERVED}/observe").raise_for_status()


def act(members: list[Device], seconds: float, threads: int, rate: float, report: Report) -> None:
    """Let the devices act, each thread with its own devices; an action counts when the server has acknowledged it."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(threads) as pool:
        shares = [pool.submit(_act_share, members[n::threads], end, threads / rate, report) for n in range(threads)]
        report.done += sum((share.result() for share in shares), Counter())


def _act_share(members: list[Device], end: float, pause: float, report: Report) -> Counter[str]:
    chance, done = random.Random(len(members)), Counter[str]()

    def notify(device: Device) -> bool:
        report.newest[device.name] = str(chance.random() * 100)
        device.notify(OBSERVED, report.newest[device.name])
        return True

    acts: list[tuple[str, Callable[[Device], bool]]] = [
        ("UPDATED", lambda device: device.wake().ok),
        ("SEND", lambda device: device.send([OBSERVED]).ok),
    ]
    while members and time.monotonic() < end:
        device = chance.choice(members)
        own = (NOTIFIED, notify) if device.name in report.observed else ("REGISTRATION", _register)
        name, do = chance.choice([*acts, own])
        done[name if do(device) else f"{name} unanswered"] += 1
        time.sleep(pause)  # devices do not send without a pause
    return done


def _register(device: Device) -> bool:
    """Register in full, which ends the observations of the device."""
    return device.register().ok


def waiting(server: LeshanServer) -> int:
    """Return the number of events that the server has not delivered."""
    return figure(server, "leshan_outbox_waiting ")


def figure(server: LeshanServer, name: str) -> int:
    """Return the sum of the server's metrics whose line begins so."""
    metrics = loopback.get(f"http://127.0.0.1:{server.http_port}/metrics", timeout=30).raise_for_status().text
    return sum(int(float(line.split()[-1])) for line in metrics.splitlines() if line.startswith(name))


def missing(events: Sequence[Envelope], report: Report) -> list[str]:
    """Return messages about missing events. Numbers without gaps prove that no event is missing that the server
    received."""
    arrived = Counter(event["event"] for event in events)
    found = []
    for name in ("REGISTRATION", "UPDATED", "SEND"):
        surely, perhaps = report.done[name], report.done[f"{name} unanswered"]
        if not surely <= arrived[name] <= surely + perhaps:
            found.append(f"{surely} {name} were acknowledged, {perhaps} perhaps heard, {arrived[name]} arrived")
    values = {event["data"]["ep"]: event["data"]["val"]["value"] for event in events if event["event"] == NOTIFIED}
    # of values in quick succession, CoAP delivers the newest
    found += [f"the newest value of {name} is missing" for name, v in report.newest.items() if values.get(name) != v]
    numbers = sorted(event["seq"] for event in events)
    if numbers != list(range(1, len(numbers) + 1)):
        found.append("numbers are missing")
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.leshan.outage",
        description="Devices register, update, notify and send while the webhook's receiver is away; "
        "then every event must arrive once, in order. Java 17 and Maven are needed.",
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long the receiver is away (default: 10)")
    parser.add_argument("--devices", type=int, default=200, help="how many devices (default: 200)")
    parser.add_argument("--rate", type=float, default=100, help="how often they speak in a second (default: 100)")
    arguments = parser.parse_args()
    report = outage(devices=arguments.devices, seconds=arguments.minutes * 60, rate=arguments.rate)
    print(report.text())  # noqa: T201 - a command
    raise SystemExit(bool(report.wrong))


if __name__ == "__main__":
    main()
