"""``python -m tests.support.leshan.radio_run``: many operations for real devices behind bad radios, checked against the
devices.

Reveille, our Leshan server and its LwM2M devices run for as long as it takes. Meanwhile each device acts: it updates
its registration, is held back by its operator and receives everything later, loses its NAT binding, registers again.

The run fails if an operation does not end, if a device received an EXECUTE twice, if a confirmed one never reached it,
or if an invariant does not hold. The same seed draws the same operations and the same fate of each device's n-th
datagram; the order of events depends on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import structlog
from rich.console import Console
from rich.table import Table

from app.domain.enums import OperationKind, OperationStatus
from app.models import tables
from app.models.database import migrate
from app.models.lifecycle import TERMINAL
from app.models.operation import NewOperation
from tests.support.leshan.devices import Device
from tests.support.leshan.launch import Mode, leshan_devices, leshan_server
from tests.support.leshan_world import LeshanWorld
from tests.support.world import Op

EXECUTED: Final = "/3442/0/3"
TEXT: Final = "/3442/0/110"
TEMPERATURE: Final = "/3303/0/5700"
PATHS: Final = ("/3/0/0", TEMPERATURE)
OTHERS: Final[list[tuple[str, str | None, dict[str, Any]]]] = [
    ("READ", "/3/0", {}),
    ("READ", TEMPERATURE, {}),
    ("WRITE", TEXT, {"text": "written"}),
    ("WRITE", "/5/0/1", {"text": "https://url.com/fw.bin"}),
    ("CREATE", "/3442", {"value": {"id": 5, "resources": []}}),
    ("DELETE", "/3442/5", {}),
    ("DISCOVER", "/3442", {}),
    ("OBSERVE", TEMPERATURE, {}),
    ("CANCEL_OBSERVE", TEMPERATURE, {}),
    ("WRITE_ATTRIBUTES", TEMPERATURE, {"attributes": {"pmin": 1}}),
    ("READ_COMPOSITE", None, {"paths": PATHS}),
    ("WRITE_COMPOSITE", None, {"paths": (TEXT,), "values": {TEXT: {"type": "STRING", "value": "composed"}}}),
    ("OBSERVE_COMPOSITE", None, {"paths": PATHS}),
]
"""The operations besides EXECUTE, each as frequent as the others."""


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. Loss and duplicates in percent of each direction, times in seconds."""

    operations: int = 2_000
    devices: int = 40
    executes: float = 30.0
    loss: float = 10.0
    duplicates: float = 10.0
    delay: float = 0.02
    spread: float = 0.2
    hold: float = 20.0
    timeout: int = 8
    within: float = 1_800.0
    seed: int = 1
    mode: Mode = "production"


@dataclass
class Result:
    """The result of a run."""

    seconds: float = 0.0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    received: Counter[tuple[str, int]] = field(default_factory=Counter)
    """EXECUTEs by how they ended and how often the device received them."""
    lives: Counter[str] = field(default_factory=Counter)
    radio: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A run in progress."""

    plan: Plan
    world: LeshanWorld
    pool: ThreadPoolExecutor
    devices: list[Device] = field(default_factory=list)
    executes: dict[Op, Device] = field(default_factory=dict)
    result: Result = field(default_factory=Result)

    async def told(self, verb: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Call a device's method, however long its server is silent."""
        call = functools.partial(verb, *arguments, **more)
        return await asyncio.get_running_loop().run_in_executor(self.pool, call)

    async def prepare(self) -> None:
        """Create the devices, half of them in queue mode; their radio becomes bad once they are known."""
        for number in range(self.plan.devices):
            device = await self.world.device(f"run-{number}", queue_mode=number % 2 == 0, radio={})
            self.devices.append(device)
            weather = {"loss": self.plan.loss, "duplicates": self.plan.duplicates, "seed": self.plan.seed + number}
            delays = {"delayMs": int(self.plan.delay * 1000), "spreadMs": int(self.plan.spread * 1000)}
            await self.told(device.radio, **weather, **delays)

    async def want(self) -> None:
        """Create all operations, drawn by the seed. Every EXECUTE has its own argument, which identifies it at the
        device."""
        draw = random.Random(self.plan.seed)
        wanted = [self._drawn(draw, self.devices[number % len(self.devices)]) for number in range(self.plan.operations)]
        ops = await self.world.create_many(wanted)
        for number, (op, new) in enumerate(zip(ops, wanted, strict=True)):
            if new.request.kind is OperationKind.EXECUTE:
                self.executes[op] = self.devices[number % len(self.devices)]

    def _drawn(self, draw: random.Random, device: Device) -> NewOperation:
        if draw.random() * 100 < self.plan.executes:
            argument = f"0='{draw.getrandbits(64):x}'"
            return self.world.wanted(device, "EXECUTE", EXECUTED, arguments=argument, timeout=self.plan.timeout)
        kind, path, more = draw.choice(OTHERS)
        return self.world.wanted(device, kind, path, timeout=self.plan.timeout, **more)

    async def live(self, device: Device, number: int) -> None:
        """Let a device act by itself, over and over."""
        draw = random.Random(self.plan.seed + number)
        while True:
            await asyncio.sleep(draw.uniform(0.5, 4))
            deed = draw.choices(("update", "held", "rebound", "registered", "notified"), (50, 20, 10, 10, 10))[0]
            self.result.lives[deed] += 1
            if deed == "held":
                await self.told(device.radio, hold=True)
                await asyncio.sleep(draw.uniform(0, self.plan.hold))
            elif deed == "rebound":
                await self.told(device.rebind)
            elif deed == "notified":
                await self.told(device.notify, TEMPERATURE, str(draw.randrange(40)))
                continue
            await self.told(device.register if deed == "registered" else device.wake)

    async def end(self) -> None:
        """Wait until every operation has ended, while all devices act."""
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(self.live(device, number)) for number, device in enumerate(self.devices)]
            deadline = time.monotonic() + self.plan.within
            while (open_ones := await self.unended()) and time.monotonic() < deadline:  # noqa: ASYNC110 - the database
                await asyncio.sleep(0.2)
            for life in lives:
                life.cancel()
        if open_ones:
            self.result.broken.append(f"{open_ones} operations have not ended after {self.plan.within:.0f} s")

    @staticmethod
    async def unended() -> int:
        return await tables.Operation.exclude(status__in=list(TERMINAL)).count()

    async def judge(self) -> None:
        """Compare the devices' own lists with our records; datagrams held or in transit arrive first."""
        for device in self.devices:
            await self.told(device.radio, loss=0, hold=False)
        await asyncio.sleep(self.plan.delay + 2 * self.plan.spread + 1)
        for device in self.devices:
            radio = await self.told(device.radio)
            for way in ("up", "down"):
                self.result.radio.update({what: radio[way][what] for what in ("carried", "lost", "duplicated")})
        for row in await tables.Operation.all():
            self.result.ends[row.kind, f"{row.status} {row.reason or ''}".strip()] += 1
        await self._judge_executes()

    async def _judge_executes(self) -> None:
        rows = {row.seq: row for row in await tables.Operation.filter(kind=OperationKind.EXECUTE)}
        deliveries = {device.name: await self.world.received(device, "EXECUTE") for device in self.devices}
        for op, device in self.executes.items():
            row, times = rows[op], sum(one.value == rows[op].arguments for one in deliveries[device.name])
            self.result.received[f"{row.status} {row.reason or ''}".strip(), times] += 1
            if times > 1 or (times == 0 and row.status is OperationStatus.CONFIRMED):
                self.result.broken.append(f"EXECUTE {op} of {device.name}: {row.status}, received {times} times")


async def run(plan: Plan) -> Result:
    """Run the plan with its own database, Leshan server and devices; check the invariants at the end.

    Raises:
        AssertionError: one of our components failed, or an invariant does not hold.
    """
    # before the server is started: it must be stopped from the thread that started it
    with ExitStack() as parts:
        folder = parts.enter_context(tempfile.TemporaryDirectory())
        leshan = parts.enter_context(leshan_server(mode=plan.mode))
        devices = parts.enter_context(leshan_devices())
        pool = parts.enter_context(ThreadPoolExecutor(plan.devices))
        url = f"sqlite://{Path(folder) / 'radio.db'}"
        await migrate(url)
        async with LeshanWorld.begin(url, leshan, devices) as world:
            under_way = Run(plan, world, pool)
            await under_way.prepare()
            began = time.monotonic()
            await under_way.want()
            await under_way.end()
            under_way.result.seconds = time.monotonic() - began
            await under_way.judge()
            return under_way.result


def table(result: Result) -> Table:
    """Return a table of the operations by how they ended, and by kind."""
    found = Table("kind", "end", "operations", title=f"{sum(result.ends.values())} in {result.seconds:.0f} s")
    for (kind, end), count in sorted(result.ends.items()):
        found.add_row(kind, end, str(count))
    for (end, times), count in sorted(result.received.items()):
        found.add_row("EXECUTE received", f"{end}, {times} times", str(count))
    return found


def _line(words: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words)


def main() -> None:
    """Run, print the tables, and exit with 1 if the run failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.leshan.radio_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = Plan()
    parser.add_argument("--operations", type=int, default=usual.operations)
    parser.add_argument("--devices", type=int, default=usual.devices)
    parser.add_argument("--executes", type=float, default=usual.executes, help="percent of the operations")
    parser.add_argument("--loss", type=float, default=usual.loss, help="percent of the datagrams of each direction")
    parser.add_argument("--duplicates", type=float, default=usual.duplicates, help="percent, too")
    parser.add_argument("--delay", type=float, default=usual.delay, help="seconds that a datagram takes at least")
    parser.add_argument("--spread", type=float, default=usual.spread, help="seconds that it takes more at most")
    parser.add_argument("--hold", type=float, default=usual.hold, help="seconds that datagrams are held at most")
    parser.add_argument("--timeout", type=int, default=usual.timeout, help="seconds of each operation's attempt")
    parser.add_argument("--within", type=float, default=usual.within, help="seconds in which all have to end")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--mode", choices=get_args(Mode), default=usual.mode, help="of our Leshan server")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    result = asyncio.run(run(Plan(**vars(parser.parse_args()))))
    console = Console(soft_wrap=True)
    console.print(table(result))
    console.print(f"datagrams: {_line(result.radio.items())}; devices: {_line(result.lives.items())}")
    console.print("\n".join(result.broken) or "nothing is broken", markup=False)
    sys.exit(1 if result.broken else 0)


if __name__ == "__main__":
    main()
