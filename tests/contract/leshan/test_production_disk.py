"""Our Leshan server in production mode with a full disk or a locked file.

The verdict depends on the ids of the events that arrive and on the responses that the devices received. On a full disk
the kernel refuses to let a file grow (RLIMIT_FSIZE); a locked file is locked by another connection to it.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import loopback
from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, build, leshan_server, script
from tests.support.leshan.outage import signed
from tests.support.leshan.receiver import Envelope, Receiver, wrong
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("java")

TEMPERATURE = "/3303/0/5700"
COUNT = "/3442/0/3"
SMALL = 'ulimit -f 80 && exec "$0" "$@"'
"""A limit of 40 KiB on every file: not even the SQLite library can be unpacked."""
MOUNTED = 'mount -t tmpfs -o size={} tmpfs "$1" && shift && exec "$0" "$@"'
"""A separate file system for the data; its size determines which tables cannot be created."""


class Sends:
    """Sends of one device, each with its own value."""

    def __init__(self, device: Device) -> None:
        self.acknowledged: list[float] = []
        self.refused: list[float] = []
        self._device = device

    def next(self) -> bool:
        """Send one more value. Return whether it was acknowledged; otherwise the response was 5.03."""
        value = float(len(self.acknowledged) + len(self.refused) + 1)
        self._device.notify(TEMPERATURE, value)
        answer = self._device.send([TEMPERATURE])
        assert answer.ok or answer.code == 503, answer
        (self.acknowledged if answer.ok else self.refused).append(value)
        return answer.ok


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def server(receiver: Receiver, tmp_path: Path) -> Iterator[LeshanServer]:
    with signed(), leshan_server(data=tmp_path, options=["--webhook-url", receiver.url]) as server:
        yield server


def test_after_a_full_disk_only_acknowledged_events_are_stored(
    server: LeshanServer, receiver: Receiver, leshan_devices: Devices, tmp_path: Path
) -> None:
    device = leshan_devices.create("full", server=server.coap_uri)
    sends = Sends(device)
    assert sends.next()
    for number in range(2):
        with full_disk(server, tmp_path / "leshan.sqlite"):
            assert [sends.next() for _ in range(5)] == [False] * 5
            refused = execute(server, device, f"disk/{number}")
            assert (refused.status_code, refused.json()["delivery"]) == (500, "NOT_SENT")
            assert state(server, f"disk/{number}") == "NOT_RECEIVED"
            assert "store" in ready(server)["reasons"]
            assert device.wake().ok
        wait_until(lambda: ready(server)["ready"])
        assert [sends.next() for _ in range(3)] == [True] * 3
        assert execute(server, device, f"disk/{number}").json()["success"]
        assert state(server, f"disk/{number}") == "DONE"
    assert len(device.received(method="EXECUTE")) == 2
    wait_until(lambda: len(values(receiver.events)) >= len(sends.acknowledged))
    assert values(receiver.events) == sends.acknowledged
    assert wrong(receiver.events) == []
    wait_until(lambda: dropped(receiver.events, "UPDATED") + len(receiver.named("UPDATED", "full")) == 2)
    server.stop()
    with signed(), leshan_server(data=tmp_path, options=["--webhook-url", receiver.url]) as again:
        assert [state(again, f"disk/{number}") for number in range(2)] == ["DONE", "DONE"]
        wait_until(lambda: ready(again)["ready"])
        assert values(receiver.events) == sends.acknowledged
    device.remove()


def test_while_the_file_is_locked_devices_register_and_a_gap_follows(
    server: LeshanServer, receiver: Receiver, leshan_devices: Devices, tmp_path: Path
) -> None:
    early = leshan_devices.create("early", server=server.coap_uri)
    wait_until(lambda: receiver.named("REGISTRATION", "early") != [])
    with ThreadPoolExecutor(1) as pool, locked(tmp_path / "leshan.sqlite"):
        put = pool.submit(put_credentials, server, "secured")
        wait_until(lambda: not ready(server)["ready"])
        late = leshan_devices.create("late", server=server.coap_uri)
        assert late.registration_id is not None
        wait_until(lambda: "events cannot be written" in server.process.log.read_text())
        assert put.result().status_code == 500
    wait_until(lambda: dropped(receiver.events, "REGISTRATION") == 1)
    assert put_credentials(server, "secured").status_code == 200
    assert early.wake().ok
    wait_until(lambda: receiver.named("UPDATED", "early") != [])
    assert receiver.named("REGISTRATION", "late") == []
    gaps = receiver.named("GAP")
    assert gaps[0]["seq"] < receiver.named("UPDATED", "early")[0]["seq"]
    assert wrong(receiver.events) == []
    assert [event["id"] for event in streamed(server, len(receiver.events))] == [e["id"] for e in receiver.events]
    assert "GAP" in [event["event"] for event in streamed(server, 1, endpoint="late")]
    early.remove()
    late.remove()


@pytest.mark.parametrize("size", [None, "4k", "64k", "80k", "88k"])
def test_a_start_on_a_full_disk_ends_with_one_line(tmp_path: Path, size: str | None) -> None:
    build()
    shell: list[str | Path]
    if size is None:
        shell = ["sh", "-c", SMALL, script()]
    elif subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0:
        shell = ["unshare", "-rm", "sh", "-c", MOUNTED.format(size), script(), tmp_path]
    else:
        pytest.skip("this user may not mount a file system of its own")
    shell += ["server", "--http-port", "0", "--coap-port", "0", "--data", tmp_path, "--exit-with-stdin"]
    started = subprocess.run(
        shell,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    assert (started.returncode, started.stdout) == (2, ""), started.stderr
    (line,) = started.stderr.splitlines()
    assert line.startswith("--data: ")


@contextmanager
def full_disk(server: LeshanServer, file: Path) -> Iterator[None]:
    """Limit every file of the server to the current size of its write-ahead log."""
    now = file.with_name(f"{file.name}-wal").stat().st_size
    pid = server.process.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (now, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a write transaction on another connection."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def execute(server: LeshanServer, device: Device, request_id: str) -> httpx.Response:
    headers = {"Reveille-Request": request_id, "Accept": "application/json"}
    url = f"{server.url}/clients/{device.name}{COUNT}"
    return loopback.post(url, content="5", headers=headers, timeout=60)


def state(server: LeshanServer, request_id: str) -> str:
    state: str = loopback.get(f"{server.url}/requests/{request_id}", timeout=60).raise_for_status().json()["state"]
    return state


def ready(server: LeshanServer) -> dict[str, Any]:
    readiness: dict[str, Any] = loopback.get(server.url.removesuffix("/api") + "/health/ready", timeout=60).json()
    return readiness


def put_credentials(server: LeshanServer, name: str) -> httpx.Response:
    details = {"identity": name, "key": "30313233343536373839616263646566"}
    body = {"endpoint": name, "tls": {"mode": "psk", "details": details}}
    return loopback.put(f"{server.url}/security/clients", json=body, timeout=60)


def values(events: list[Envelope]) -> list[float]:
    """Return the values of all Sends, in order of arrival."""
    sends = [event for event in list(events) if event["event"] == "SEND"]
    return [float(event["data"]["val"][TEMPERATURE]["value"]) for event in sends]


def dropped(events: list[Envelope], name: str) -> int:
    """Return the number of events of a name that the GAP events count as dropped."""
    gaps = [event for event in list(events) if event["event"] == "GAP"]
    return sum(event["data"]["byEvent"].get(name, 0) for event in gaps)


def streamed(server: LeshanServer, count: int, endpoint: str | None = None) -> list[Envelope]:
    """Return the first events that the event stream has stored, for all endpoints or for one."""
    params = {"envelope": "true"} | ({} if endpoint is None else {"ep": endpoint})
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "0"}
    found: list[Envelope] = []
    with loopback.stream("GET", f"{server.url}/event", params=params, headers=headers, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
            if len(found) == count:
                break
    return found
