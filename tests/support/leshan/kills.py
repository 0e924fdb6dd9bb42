"""A Leshan server killed under load: no acknowledged Send is missing, no number repeats. See ``--help``."""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.leshan.devices import Device
from tests.support.leshan.launch import leshan_devices, leshan_server
from tests.support.leshan.outage import signed
from tests.support.leshan.receiver import Receiver, wrong
from tests.support.waiting import wait_until

SENT: Final = "/3303/0/5700"


@dataclass
class Report:
    """The acknowledged Sends, and the violations."""

    kills: int = 0
    sends: Counter[str] = field(default_factory=Counter)
    events: int = 0
    boots: int = 0
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return a few lines for people."""
        return "\n".join(
            [
                f"{self.kills} kills, Sends: {dict(sorted(self.sends.items()))}",
                f"{self.events} events of {self.boots} processes arrived",
                *(f"WRONG: {each}" for each in self.wrong),
                "no acknowledged Send is missing, no number repeats" if not self.wrong else f"{len(self.wrong)} wrong",
            ]
        )


class Load:
    """Devices that send values, each value only once ever, until stopped."""

    def __init__(self, members: list[Device]) -> None:
        self.acknowledged: set[float] = set()
        self.sends: Counter[str] = Counter()
        self._members = members
        self._lock = threading.Lock()
        self._next = 0
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(len(members))
        self._running = [self._pool.submit(self._run, device) for device in members]

    def wait_for_another(self) -> None:
        """Wait until one more Send is acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before, within=120)

    def stop(self) -> None:
        """Let each device finish its present step."""
        self._over.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _run(self, device: Device) -> None:
        while not self._over.is_set():
            value = self._new_value()
            device.notify(SENT, str(value))
            sent = device.send([SENT])
            with self._lock:
                self.sends["acknowledged" if sent.ok else "refused" if sent.code else "unanswered"] += 1
                if sent.ok:
                    self.acknowledged.add(value)
            if not sent.ok:
                device.wake()  # a new process has no registrations

    def _new_value(self) -> float:
        with self._lock:
            self._next += 1
            return float(self._next)


def kills(*, times: int, devices: int, seconds: float = 3.0, seed: int = 1) -> Report:
    """Kill the server so many times, each up to `seconds` after a Send was acknowledged, and check the events that
    arrive."""
    chance = random.Random(seed)
    with signed(), Receiver() as receiver, tempfile.TemporaryDirectory() as folder, leshan_devices() as fleet:
        report, http_port, coap_port = Report(), 0, 0
        load: Load | None = None
        for _ in range(times):
            with leshan_server(
                data=Path(folder), http_port=http_port, coap_port=coap_port, options=["--webhook-url", receiver.url]
            ) as server:
                http_port, coap_port = server.http_port, server.coap_port
                if load is None:
                    names = [f"kill-{n:02d}" for n in range(devices)]
                    load = Load(fleet.create_many(names, server=server.coap_uri, queue_mode=True))
                load.wait_for_another()
                time.sleep(chance.random() * seconds)
                server.process.kill()
                report.kills += 1
        assert load is not None
        with leshan_server(
            data=Path(folder), http_port=http_port, coap_port=coap_port, options=["--webhook-url", receiver.url]
        ):
            load.wait_for_another()
            load.stop()
            missing = _wait_for(load.acknowledged, receiver)
        report.sends, report.events = load.sends, len(receiver.events)
        report.boots = len({event["bootId"] for event in receiver.events})
        report.wrong = wrong(receiver.events) + [f"the acknowledged Send of {value} is missing" for value in missing]
        return report


def _wait_for(acknowledged: set[float], receiver: Receiver) -> list[float]:
    try:
        wait_until(lambda: acknowledged <= _values(receiver))
    except TimeoutError:
        return sorted(acknowledged - _values(receiver))
    return []


def _values(receiver: Receiver) -> set[float]:
    return {float(event["data"]["val"][SENT]["value"]) for event in receiver.named("SEND")}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.leshan.kills",
        description="Kill the Leshan server with SIGKILL while devices send; no Send that was acknowledged may be "
        "missing, no number may repeat. Java 17 and Maven are needed.",
    )
    parser.add_argument("--times", type=int, default=20, help="how often it is killed (default: 20)")
    parser.add_argument("--devices", type=int, default=20, help="how many devices send (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which it is killed (default: 1)")
    arguments = parser.parse_args()
    report = kills(times=arguments.times, devices=arguments.devices, seed=arguments.seed)
    print(report.text())  # noqa: T201 - a command
    raise SystemExit(bool(report.wrong))


if __name__ == "__main__":
    main()
