"""Events of the webhook, one a call, beside another version and a bare Starlette route: CPU of the API's process.

The servers run at the same time, and are posted to in turns: the machine's noise meets all of them. The median is
printed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

from bench.devices import names
from bench.events import updates
from bench.lines.webhook import bare_route, post
from bench.measuring import used_by
from bench.scale.common import Measured, options, run
from bench.scale.start import command_of
from bench.site import POSTGRES, fake_leshan
from tests.support.processes import ROOT, Process, Processes, processes
from tests.support.servers.postgres import postgres
from tests.support.servers.valkey import valkey

EVENTS: Final = 2_000
DEVICES: Final = 500
BARE: Final = "bare route"


async def measure(kind: str, against: Path | None, rounds: int) -> list[Measured]:
    """Post to each server in turns; return the medians and their ratios."""
    versions = {"this": ROOT, **({"other": against} if against else {})}
    costs: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reveille-bench-")))
        server = stack.enter_context(postgres(POSTGRES)) if kind == "postgres" else None
        buses = {name: stack.enter_context(valkey()) for name in versions}
        async with fake_leshan() as leshan, bare_route() as bare:
            targets = {BARE: (bare.pid, bare.address)}
            for name, root in versions.items():
                url = await server.create(name) if server else f"sqlite://{folder / name}.db"
                own = folder / name
                own.mkdir()
                started = stack.enter_context(processes(own, command_of(root)))
                settings = {"database_url": url, "redis_url": buses[name].url, "leshan_url": leshan.address}
                process = _started(started, kind, settings)
                targets[name] = process.pid, f"{process.url}/leshan/events"
            bodies = _bodies()
            for number in range(rounds + 1):
                posted = next(bodies)
                for name, (pid, address) in targets.items():
                    cpu = used_by([pid]).cpu
                    seconds = await post(address, posted)
                    if number:  # the first round creates the endpoints
                        costs.setdefault(name, []).append((used_by([pid]).cpu - cpu, seconds))
    return list(_figures(costs))


def _started(started: Processes, kind: str, settings: dict[str, str]) -> Process:
    verb = "api" if kind == "postgres" else "serve"
    return started.start(verb, **settings, leshan_events="webhook")


def _bodies() -> Iterator[list[bytes]]:
    devices = names("webhook", DEVICES)
    for number in count():
        yield updates(devices, (number + 1) * EVENTS, 1)[number * EVENTS :]


def _figures(costs: dict[str, list[tuple[float, float]]]) -> Iterator[Measured]:
    cpu = {name: median(one for one, _ in own) / EVENTS * 1e6 for name, own in costs.items()}
    rate = {name: EVENTS / median(seconds for _, seconds in own) for name, own in costs.items()}
    for name in costs:
        yield f"CPU of an event, {name}", cpu[name], "us"
        yield f"events, {name}", rate[name], "/s"
    if "other" in costs:
        pairs = list(zip(costs["this"], costs["other"], strict=True))
        yield "CPU, other / this", median(other / this for (this, _), (other, _) in pairs), "x"
        yield "events a second, this / other", median(other / this for (_, this), (_, other) in pairs), "x"


def main() -> None:
    """Measure and print."""
    parser = options("bench.scale.webhook", __doc__)
    parser.add_argument("--against", type=Path, help="the clone of another version, to post to in turns with this one")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    run(measure(arguments.database, arguments.against, arguments.rounds), f"webhook, {arguments.database}")


if __name__ == "__main__":
    main()
