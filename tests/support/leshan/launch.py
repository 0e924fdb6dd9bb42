"""Start `leshan-server/run` as child processes which die with the test run.

`leshan-server/README.md` is the source of the facts. Java 17 and Maven are needed; the first start builds. Call all
functions of this module from the main thread: Linux ties the death signal to the thread that forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from tests.support import loopback
from tests.support.leshan.devices import Devices
from tests.support.ports import free_port
from tests.support.servers.process import Server, start

FOLDER: Final = Path(__file__).resolve().parents[3] / "leshan-server"
Mode = Literal["production", "stock"]

WITHIN: Final = 180.0
"""Seconds until a program must be ready, including a build. No test's verdict depends on the value."""


allowed = True
"""False during a test without the fixture ``java``, and so without the marker ``leshan`` (tests/conftest.py)."""


def script() -> Path:
    """Return the program that builds and starts everything.

    Raises:
        AssertionError: the present test needs the fixture ``java``.
    """
    assert allowed, "a test that starts a Leshan server or LwM2M devices needs the fixture `java`"
    return FOLDER / "run"


class LeshanServer:
    """A running LwM2M server: `url` of its REST API with `/api`, `coap_uri` for devices, `process` to stop it.

    `coaps_port` is 0 if there is no CoAP over DTLS.
    """

    def __init__(self, process: Server, http_port: int, coap_port: int, coaps_port: int = 0) -> None:
        self.process = process
        self.http_port = http_port
        self.coap_port = coap_port
        self.coaps_port = coaps_port
        self.url = f"http://127.0.0.1:{http_port}/api"
        self.coap_uri = f"coap://127.0.0.1:{coap_port}"
        self.coaps_uri = f"coaps://127.0.0.1:{coaps_port}"

    def stop(self) -> None:
        """Stop the server; its registrations end with it."""
        self.process.stop()

    def clients(self) -> list[dict[str, Any]]:
        """Return all registrations from `GET /clients`."""
        answer = loopback.get(f"{self.url}/clients", timeout=10).raise_for_status()
        clients: list[dict[str, Any]] = answer.json()
        return clients


def missing_tools() -> list[str]:
    """Return which of `java` and `mvn` this machine lacks for real LwM2M servers and devices."""
    return [tool for tool in ("java", "mvn") if shutil.which(tool) is None]


def build() -> None:
    """Build everything once before the first start: a start then takes a second or two."""
    subprocess.run([script(), "build"], check=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def leshan_server(
    *,
    mode: Mode = "production",
    data: Path | None = None,
    http_port: int = 0,
    coap_port: int = 0,
    awake_time: float = 93.0,
    max_body: int = 131_072,
    options: Sequence[object] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[LeshanServer]:
    """Run our Leshan server; `awake_time` in seconds, `options` are further options of it.

    Pass the ports and the `data` folder of a stopped server to start it again; otherwise its data is deleted with it.

    Raises:
        ServerFailed: the server did not start; the message has its reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        usual = ["--mode", mode, "--data", data or folder, "--http-port", http_port, "--coap-port", coap_port]
        limits = ["--awake-time", awake_time, "--max-body", max_body]
        with _program("server", *usual, *limits, *options, environment=environment) as (process, ports):
            yield LeshanServer(process, ports["http"], ports.get("coap", 0), ports.get("coaps", 0))


@contextlib.contextmanager
def leshan_devices(server: str | None = None, *, max_body: int = 131_072) -> Iterator[Devices]:
    """Run real LwM2M clients; `server` is the CoAP address for devices that name none."""
    address = [] if server is None else ["--server", server]
    options = ["--control-port", 0, "--max-body", max_body, *address]
    with (
        _program("devices", *options) as (program, ports),
        Devices(f"http://127.0.0.1:{ports['control']}", program.process.pid) as devices,
    ):
        yield devices


@contextlib.contextmanager
def leshan_both(*, options: Sequence[object] = ()) -> Iterator[dict[str, int]]:
    """Run server and devices in one process; yield the ports of its ready line."""
    with tempfile.TemporaryDirectory() as data:
        free = ["--http-port", 0, "--coap-port", 0, "--control-port", 0]
        with _program("both", "--data", data, *free, *options) as (_, ports):
            yield ports


@contextlib.contextmanager
def leshan_m4(*, http_port: int = 0, coap_port: int = 0) -> Iterator[LeshanServer]:
    """Run the stock Leshan demo server 2.0.0-M4, on ports that were free a moment ago: it cannot choose any itself.
    Pass the ports of a stopped server to start it again."""
    http_port, coap_port = http_port or free_port(), coap_port or free_port(socket.SOCK_DGRAM)
    ready = _answers(f"http://127.0.0.1:{http_port}/api/clients")
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(script()), "m4", "--http-port", str(http_port), "--coap-port", str(coap_port)]
        process = start(arguments, Path(folder), ready=ready, within=WITHIN)
        try:
            yield LeshanServer(process, http_port, coap_port)
        finally:
            process.stop()


@contextlib.contextmanager
def _program(
    command: str, *options: object, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Server, dict[str, int]]]:
    """Run a program of `run` that prints a line with its ports when it is ready; `environment` adds to this
    process's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = [str(script()), command, *map(str, options)]
        process = start(
            arguments,
            folder,
            ready=lambda: _ready_line(folder) is not None,
            environment=dict(os.environ) | dict(environment or {}),
            within=WITHIN,
        )
        try:
            yield process, _ready_line(folder) or {}
        finally:
            process.stop()


def _ready_line(folder: Path) -> dict[str, int] | None:
    for line in (folder / "server.log").read_text(errors="replace").splitlines(keepends=True):
        if line.startswith(('{"http":', '{"control":')) and line.endswith("\n"):  # logs may be JSON too
            ports: dict[str, int] = json.loads(line)
            return ports
    return None


def _answers(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return loopback.get(url, timeout=10).is_success
        return False

    return answers
