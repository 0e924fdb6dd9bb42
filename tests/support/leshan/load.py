"""Measure our Leshan server against one that blocks a thread per call, with real LwM2M devices. Asserts nothing.

Run it with ``python -m tests.support.leshan.load`` (``--help``). With ``--devices 1000 --radio`` it measures instead
the resources of so many registered devices, each behind its own radio. The server that blocks threads is the stock
demo server 2.0.0-M4. Devices, servers and this program share the machine: compare the rows, not the figures of two
machines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.leshan.devices import Device, Devices
from tests.support.leshan.launch import LeshanServer, leshan_devices, leshan_m4, leshan_server

SLOW_MS: Final = 5_000
TIMEOUT: Final = {"timeout": "60"}
TOGETHER: Final = 100
"""Devices that are created by one call."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Variant:
    """One row: a server, and whether calls have request ids."""

    name: str
    start: Callable[[], contextlib.AbstractContextManager[LeshanServer]]
    ids: bool = False


VARIANTS: Final = (
    Variant("production, with request ids", leshan_server, ids=True),
    Variant("production", leshan_server),
    Variant("ours in stock mode", lambda: leshan_server(mode="stock")),
    Variant("stock 2.0.0-M4, a thread a call", leshan_m4),
)


@dataclass(frozen=True)
class Plan:
    """The amount of load."""

    fast: int
    slow: int
    seconds: float


class Caller:
    """A caller of one server's REST API."""

    def __init__(self, server: LeshanServer, http: aiohttp.ClientSession, *, ids: bool) -> None:
        self._url = server.url
        self._http = http
        self._ids = ids

    async def read(self, device: Device) -> float:
        """Read from a device; return the duration in seconds.

        Raises:
            RuntimeError: the read failed.
        """
        headers = {"Reveille-Request": f"load-{next(_numbers)}/1"} if self._ids else {}
        begun = time.perf_counter()
        async with self._http.get(
            f"{self._url}/clients/{device.name}/3/0/0", params=TIMEOUT, headers=headers
        ) as answer:
            text = await answer.text()
            if '"success":true' not in text:
                raise RuntimeError(f"{device.name}: {answer.status} {text}")
        return time.perf_counter() - begun


async def rate(caller: Caller, devices: list[Device], seconds: float) -> float:
    """Return the calls per second to devices that respond at once, one at a time to each."""
    end = time.perf_counter() + seconds

    async def ask(device: Device) -> int:
        count = 0
        while time.perf_counter() < end:
            await caller.read(device)
            count += 1
        return count

    begun = time.perf_counter()
    counts = await asyncio.gather(*map(ask, devices))
    return sum(counts) / (time.perf_counter() - begun)


async def reads_beside(caller: Caller, healthy: Device, slow: list[Device], pid: int) -> str:
    """Read from all slow devices at once, and from a healthy one meanwhile; return a line of figures."""
    before = footprint(pid)
    calls = asyncio.gather(*map(caller.read, slow))
    begun = time.perf_counter()
    times, most = [], before
    while not calls.done():
        times.append(await caller.read(healthy))
        most = max(most, footprint(pid))
        await asyncio.sleep(0.02)
    await calls
    took = time.perf_counter() - begun
    times.sort()
    most_of_them = times[-1 - len(times) // 20]
    return (
        f"all done after {took:.1f} s; {len(times)} healthy reads: median {statistics.median(times) * 1000:.0f} ms, "
        f"95 % within {most_of_them * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms; "
        f"threads {before[0]} -> {most[0]}, memory {before[1]} -> {most[1]} MB"
    )


def footprint(pid: int) -> tuple[int, int]:
    """Return the threads and the resident memory in MB of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = {key: value.split()[0] for key, value in (line.split(":", 1) for line in lines) if value.split()}
    return int(told["Threads"]), int(told["VmRSS"]) // 1024


@contextlib.contextmanager
def many(devices: Devices, server: LeshanServer, count: int, kind: str, **spec: Any) -> Iterator[list[Device]]:
    """Create so many registered devices of a kind, which are removed afterwards."""
    names = [f"{kind}-{next(_numbers)}" for _ in range(count)]
    made: list[Device] = []
    try:
        for start in range(0, count, TOGETHER):
            made += devices.create_many(names[start : start + TOGETHER], server=server.coap_uri, objects=(3,), **spec)
        yield made
    finally:
        for device in made:
            device.remove()


async def measure(variant: Variant, server: LeshanServer, devices: Devices, plan: Plan) -> None:
    """Print one variant's rows."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as http:
        caller = Caller(server, http, ids=variant.ids)
        with many(devices, server, plan.fast, "fast") as fast:
            await rate(caller, fast, plan.seconds / 2)  # the virtual machine compiles hot code
            found = await rate(caller, fast, plan.seconds)
            print(f"{variant.name:32} {found:7.0f} calls/s at {plan.fast} at once", flush=True)  # noqa: T201 - a command
        with many(devices, server, plan.slow, "slow") as slow, many(devices, server, 1, "healthy") as [healthy]:
            for device in slow:
                device.answer_late(SLOW_MS)
            await caller.read(healthy)
            told = await reads_beside(caller, healthy, slow, server.process.process.pid)
            print(f"{variant.name:32} {plan.slow} devices of {SLOW_MS / 1000:.0f} s: {told}", flush=True)  # noqa: T201 - a command


def memory_of(count: int, *, radio: bool) -> str:
    """Return a line with the resources that so many devices use in their process, once all are registered."""
    spec: dict[str, Any] = {"radio": {}} if radio else {}
    with leshan_server() as server, leshan_devices() as devices:
        assert devices.pid is not None
        before = footprint(devices.pid)
        with many(devices, server, count, "held", **spec):
            registered = len(server.clients())
            after = footprint(devices.pid)
        of_server = footprint(server.process.process.pid)
    return (
        f"{registered} devices registered{' behind radios' if radio else ''}: the devices' process "
        f"{before[1]} -> {after[1]} MB, threads {before[0]} -> {after[0]}; the server {of_server[1]} MB"
    )


def main() -> None:
    """Measure every variant, each with its own server."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.leshan.load", description=__doc__)
    parser.add_argument("--fast", type=int, default=50, help="devices that answer at once (default: %(default)s)")
    parser.add_argument("--slow", type=int, default=1000, help="devices that take 5 s (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of each rate (default: %(default)s)")
    parser.add_argument("--only", default="", help="variants whose name begins so")
    parser.add_argument("--devices", type=int, default=0, help="measure what so many devices take, and nothing else")
    parser.add_argument("--radio", action="store_true", help="of --devices: each behind a radio")
    told = parser.parse_args()
    if told.devices:
        print(memory_of(told.devices, radio=told.radio), flush=True)  # noqa: T201 - a command
        return
    plan = Plan(told.fast, told.slow, told.seconds)
    with leshan_devices() as devices:
        for variant in VARIANTS:
            if variant.name.startswith(told.only):
                with variant.start() as server:
                    asyncio.run(measure(variant, server, devices, plan))


if __name__ == "__main__":
    main()
