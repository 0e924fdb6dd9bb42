"""Reveille itself is away while devices continue: their events are stored once, in order, and no sleeping device is
called.

The reference is our Leshan server: the events that it published (``GET /api/event``) must equal those in Reveille's
database. See ``--help``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support import loopback
from tests.support.api import CREATE
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_devices, leshan_server
from tests.support.leshan.outage import OBSERVED, Report, act, figure, missing, observe, signed, waiting
from tests.support.leshan.receiver import SECRET, Envelope, endpoint_of, wrong
from tests.support.ports import free_port
from tests.support.processes import Command, Process, Processes, processes
from tests.support.waiting import wait_until

PIECE: Final = 500
REPLAY_BYTES: Final = 1 << 30
WAKES: Final = frozenset({"REGISTRATION", "UPDATED"})
WITNESS: Final = "witness"
"""A device that never sleeps: once its operation is sent, every other device that could be called has been called."""

_VALUES: Final = """
    SELECT endpoint.name, change.value FROM reading change JOIN endpoint ON endpoint.id = change.endpoint_id
    WHERE change.path = ? ORDER BY change.seq
"""
TOKEN: Final = "a-token-of-the-measuring-operator"
_ENDPOINTS: Final = "SELECT name, registration_id, leshan_last_update, wake_seq FROM endpoint"
_WAITING: Final = """
query($after: String) {
  deviceOperations(filter: {statuses: [QUEUED]}, first: 200, after: $after) {
    pageInfo { hasNextPage endCursor } edges { node { waitingFor endpoint { name } } }
  }
}"""
_OPERATIONS: Final = """
    SELECT endpoint.name, o.status, o.attempt FROM operation o JOIN endpoint ON endpoint.id = o.endpoint_id
"""


@dataclass
class Reveille:
    """``reveille serve`` on its own port and database, started again and again."""

    group: Processes
    port: int
    leshan: str = ""
    process: Process | None = None

    @property
    def database(self) -> Path:
        return self.group.folder / "reveille.db"

    def come(self) -> None:
        self.process = self.group.start(
            "serve",
            port=self.port,
            database_url=f"sqlite://{self.database}",
            leshan_url=self.leshan,
            leshan_events="webhook",
            webhook_secret=SECRET,
            auth=f"measuring:operator:{TOKEN}",
        )

    def go(self) -> None:
        assert self.process is not None
        self.process.end()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as connection:
            return connection.execute(sql, values).fetchall()

    def violations(self) -> list[str]:
        done = self.group.run("check", database_url=f"sqlite://{self.database}")
        return (done.stdout + done.stderr).splitlines() if done.returncode else []

    def read(self, devices: Iterable[Device], timeout: int) -> None:
        """Create a READ for each device."""
        inputs = [
            {"endpoint": device.name, "kind": "READ", "path": "/3/0/0", "timeoutSeconds": timeout} for device in devices
        ]
        for start in range(0, len(inputs), PIECE):
            self.ask(CREATE, inputs=inputs[start : start + PIECE])

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        url, headers = f"http://127.0.0.1:{self.port}/graphql", {"Authorization": f"Bearer {TOKEN}"}
        answer = loopback.post(url, json=body, headers=headers, timeout=60).json()
        if answer.get("errors"):
            raise RuntimeError(f"it was refused: {answer['errors'][0]}")
        data: dict[str, Any] = answer["data"]
        return data

    def waits(self) -> dict[str, str]:
        """Return the condition that each device's operation waits for."""
        found, after, more = dict[str, str](), None, True
        while more:
            page = self.ask(_WAITING, after=after)["deviceOperations"]
            found |= {edge["node"]["endpoint"]["name"]: edge["node"]["waitingFor"] for edge in page["edges"]}
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found

    def operations(self) -> dict[str, tuple[str, int]]:
        """Return the status and the attempts of the one operation of each device."""
        return {name: (status, attempts) for name, status, attempts in self.rows(_OPERATIONS)}


def reveille_unavailable(
    group: Processes, *, devices: int, seconds: float, awake: float, rate: float = 100, threads: int = 8
) -> Report:
    """Stop Reveille for so long while devices send, a quarter of them for the first time, and check its state after the
    restart. ``awake``: seconds for which the server takes a device as awake after a message."""
    reveille = Reveille(group, free_port())
    webhook = f"http://127.0.0.1:{reveille.port}/leshan/events"
    options = ["--webhook-url", webhook, "--replay-bytes", REPLAY_BYTES]
    with (
        signed(),
        leshan_server(awake_time=awake, options=options) as server,
        leshan_devices(server.coap_uri) as fleet,
    ):
        reveille.leshan = server.url.removesuffix("/api")
        reveille.come()
        report = Report()
        members = _registered(fleet, [f"away-{n:04d}" for n in range(devices - devices // 4)], report)
        witness = fleet.create(WITNESS)
        report.done["REGISTRATION"] += 1
        observe(server, members, report)
        wait_until(lambda: waiting(server) == 0)
        reveille.go()
        members += _registered(fleet, [f"new-{n:04d}" for n in range(devices // 4)], report)
        act(members, seconds, threads, rate, report)
        _sleep(server, members)
        _come_back(reveille, server, report)
        timeout = max(1, min(5, int(awake / 3)))
        report.wrong += _called_asleep(reveille, members, witness, timeout) + _called_awake(reveille, members)
        report.wrong += reveille.violations()
        return report


def _registered(fleet: Devices, names: list[str], report: Report) -> list[Device]:
    report.done["REGISTRATION"] += len(names)
    return fleet.create_many(names, queue_mode=True) if names else []


def _each(do: Callable[[Device], object], members: Sequence[Device]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(do, members))


def _sleep(server: LeshanServer, members: Sequence[Device]) -> None:
    """Let the devices stop receiving, and wait until the server knows it."""
    _each(Device.sleep, members)
    names = {device.name for device in members}
    wait_until(lambda: all(one["sleeping"] for one in server.clients() if one["endpoint"] in names), within=300)
    _each(Device.reset_received, members)


def _come_back(reveille: Reveille, server: LeshanServer, report: Report) -> None:
    """Restart Reveille, let it receive the waiting events, and check them."""
    report.late = waiting(server)
    reveille.come()
    started = time.monotonic()
    wait_until(lambda: waiting(server) == 0, within=600)
    report.seconds = time.monotonic() - started
    told = _told(server)
    report.arrived = Counter(event["event"] for event in told)
    report.wrong = wrong(told) + missing(told, report) + _other_values(reveille, told) + _other_wakes(reveille, told)


def _told(server: LeshanServer) -> list[Envelope]:
    """Return every event of the server, which keeps them after their delivery."""
    count, told = figure(server, "leshan_events_total"), list[Envelope]()
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "0"}
    with loopback.stream("GET", f"{server.url}/event?envelope=true", headers=headers, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and line.removeprefix("data:").strip():
                told.append(json.loads(line.removeprefix("data:")))
                if len(told) == count:
                    break
    return told


def _other_values(reveille: Reveille, told: Sequence[Envelope]) -> list[str]:
    """Return the differences in values: each device's values in events must be stored once and in their order."""
    expected, stored = defaultdict[Any, list[float]](list), defaultdict[Any, list[float]](list)
    for event in told:
        for sample in event["data"].get("samples") or []:
            if OBSERVED in sample["val"]:
                expected[endpoint_of(event)].append(float(sample["val"][OBSERVED]["value"]))
    for name, value in reveille.rows(_VALUES, OBSERVED):
        stored[name].append(float(str(value).strip('"')))
    return [
        f"{name} told {len(expected[name])} values, {len(stored[name])} are stored, or in another order"
        for name in sorted(expected.keys() | stored.keys())
        if expected[name] != stored[name]
    ]


def _other_wakes(reveille: Reveille, told: Sequence[Envelope]) -> list[str]:
    """Return the differences in wakes: each registration and update must count once, and the last one must be the
    stored one."""
    wakes, last = Counter[Any](), dict[Any, tuple[str, int]]()
    for event in told:
        if event["event"] in WAKES:
            registration = event["data"].get("registration", event["data"])
            wakes[endpoint_of(event)] += 1
            last[endpoint_of(event)] = registration["registrationId"], registration["lastUpdate"]
    known = {name: ((id_, updated), wake_seq) for name, id_, updated, wake_seq in reveille.rows(_ENDPOINTS)}
    return [
        f"{name} woke {wakes[name]} times, last as {last[name]}; known is {known.get(name)}"
        for name in sorted(wakes)
        if known.get(name) != (last[name], wakes[name])
    ]


def _called_asleep(reveille: Reveille, members: Sequence[Device], witness: Device, timeout: int) -> list[str]:
    """Return the violations: no sleeping device may be called, however many of its updates arrived late."""
    reveille.read(members, timeout)
    reveille.read([witness], timeout)
    wait_until(lambda: reveille.operations()[WITNESS][0] == "CONFIRMED", within=120)
    found, states, waits = list[str](), reveille.operations(), reveille.waits()
    for device in members:
        state = (*states[device.name], waits.get(device.name), device.datagrams()["requests"])
        if state != ("QUEUED", 0, "DEVICE_WAKE", 0):
            found.append(f"{device.name} slept; its operation, attempt, wait, and requests that came: {state}")
    return found


def _called_awake(reveille: Reveille, members: Sequence[Device]) -> list[str]:
    """Wake every device, and return the violations: each is called. One that waits too long for the call wakes
    again."""

    def left() -> list[Device]:
        states = reveille.operations()
        return [device for device in members if states[device.name][0] != "CONFIRMED"]

    for _ in range(5):
        _each(Device.wake, left())
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not left(), within=30)
    attempts = reveille.operations()
    found = [f"{device.name} woke, and its operation is {attempts[device.name]}" for device in left()]
    for device in members:
        received = len(device.received(method="READ"))
        if not 1 <= received <= attempts[device.name][1]:
            found.append(f"{device.name} was asked {received} times in {attempts[device.name][1]} attempts")
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.leshan.reveille_unavailable",
        description="Reveille is stopped while real devices register, update, notify and Send; on its return all "
        "that they told must be there once, in order, and nobody who sleeps is called. Java 17 and Maven are needed.",
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long Reveille is away (default: 10)")
    parser.add_argument("--devices", type=int, default=200, help="how many devices (default: 200)")
    parser.add_argument("--rate", type=float, default=100, help="how often they speak in a second (default: 100)")
    parser.add_argument("--awake", type=float, default=20, help="seconds that they are awake once heard (default: 20)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        processes(Path(folder), Command()) as group,
    ):
        how = {"devices": arguments.devices, "rate": arguments.rate, "awake": arguments.awake}
        report = reveille_unavailable(group, seconds=arguments.minutes * 60, **how)
    print(report.text())  # noqa: T201 - a command
    raise SystemExit(bool(report.wrong))


if __name__ == "__main__":
    main()
