"""Measure the job with Django and Celery against the same fake Leshan: ``python -m bench.celery_reference``.

The first run creates a virtual environment beside this file, from requirements with hashes. No process is left running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

from bench.celery_reference import NAME
from bench.lines.webhook import BATCHES, named, post, posted
from bench.measuring import Figure, medians, used_by
from bench.site import POSTGRES, fake_leshan
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.process import Server, start
from tests.support.servers.valkey import valkey

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE / ".venv" / "bin" / "python"
WITHIN: Final = 600.0
GEVENT_WEB: Final = ("--worker-class", "gevent", "--worker-connections", "200", "--keep-alive", "30")
GEVENT_WORKER: Final = (
    *("-P", "gevent", "-c", "100"),
    *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
)
SPAN: Final = (
    "SELECT count(*), extract(epoch FROM max(at) - min(at)) FROM reference_operation WHERE status = 'CONFIRMED'"
)


def main() -> None:
    """Install if necessary, measure, print JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.celery_reference", description=__doc__)
    parser.add_argument("--operations", type=int, default=6_000)
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=4_000, help="that the webhook receives, for each size of batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="one round of 500 operations and events")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.operations, arguments.events, arguments.devices, arguments.rounds = 500, 500, 100, 1
    _install()
    rounds = [uvloop.run(_round(arguments)) for _ in range(arguments.rounds)]
    print(json.dumps({"postgres": [figure.as_json() for figure in medians(rounds)]}))


def _install() -> None:
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", HERE / ".venv"], check=True)
    pip: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--require-hashes",
    ]
    subprocess.run([*pip, "--requirement", HERE / "requirements.txt"], check=True)


@dataclass(frozen=True, slots=True)
class _Components:
    """The components that a round runs on; no other round uses them."""

    database: PostgresServer
    environment: dict[str, str]
    folder: Path

    def start(self, name: str, command: Sequence[str], ready: str) -> Server:
        """Start a process of the reference; ``ready`` is the text in its log once it is ready."""
        folder = self.folder / name
        folder.mkdir()
        log = folder / "server.log"
        module: list[str | Path] = [PYTHON, "-m", *command]
        return start(module, folder, ready=lambda: ready in log.read_text(), environment=self.environment)


async def _round(arguments: argparse.Namespace) -> list[Figure]:
    async with fake_leshan() as leshan:
        with postgres(POSTGRES) as server, valkey() as broker, tempfile.TemporaryDirectory() as own:
            database = await server.create("reference")
            environment = {
                **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                "DATABASE_URL": database.replace("postgres://", "postgresql+psycopg://"),
                "BROKER_URL": broker.url.replace("unix://", "redis+socket://"),
                "LESHAN_URL": leshan.address,
            }
            _call(f"prepare({arguments.operations}, {arguments.devices})", environment)
            components = _Components(server, environment, Path(own))
            received = await _webhook(components, arguments.devices, arguments.events)
            return [*received, *await _dispatch(components, arguments.devices, arguments.operations)]


async def _webhook(components: _Components, devices: int, events: int) -> list[Figure]:
    """Measure wakes of devices without operations, with one process that serves HTTP."""
    command = ["gunicorn", "web:application", "--chdir", str(HERE), "--bind", "127.0.0.1:0", "--workers", "1"]
    web = components.start("web", [*command, *GEVENT_WEB], "Booting worker")
    figures = []
    try:
        address = web.log.read_text().partition("Listening at: ")[2].split()[0] + "/leshan/events"
        names = [f"heard-{number}" for number in range(devices)]
        await post(address, posted(names, 0, devices, BATCHES[-1]))
        for batch in BATCHES:
            cpu = used_by([web.process.pid]).cpu
            seconds = await post(address, posted(names, 0, events, batch))
            cpu = used_by([web.process.pid]).cpu - cpu
            figures += [
                Figure(f"{NAME}: {named(batch)}: accepted and committed", events / seconds, "events/s"),
                Figure(f"{NAME}: {named(batch)}: CPU of an event", cpu / events * 1e6, "us"),
            ]
    finally:
        web.stop()
    return figures


async def _dispatch(components: _Components, devices: int, operations: int) -> list[Figure]:
    """Wake all devices at once: one worker sends the operations queued for them."""
    worker = components.start(
        "worker", ["celery", "--workdir", str(HERE), "-A", "jobs", "worker", *GEVENT_WORKER], " ready."
    )
    try:
        used, by_database = used_by([worker.process.pid]).cpu, _used_by(components.database)
        _call(f"wake({devices})", components.environment)
        seconds = await _ended(components.database, operations)
        spent = used_by([worker.process.pid])
        by_database = _used_by(components.database) - by_database
    finally:
        worker.stop()
    each = 1e6 / operations
    return [
        Figure(f"{NAME}: queued operations confirmed", operations / seconds, "/s"),
        Figure(f"{NAME}: CPU of an operation, worker", (spent.cpu - used) * each, "us"),
        Figure(f"{NAME}: CPU of an operation, PostgreSQL", by_database * each, "us"),
        Figure(f"{NAME}: memory of the worker", spent.memory, "MiB"),
    ]


def _used_by(server: PostgresServer) -> float:
    return used_by([server.server.process.pid]).cpu


def _call(what: str, environment: dict[str, str]) -> None:
    code = f"from gevent import monkey; monkey.patch_all(); import jobs; jobs.{what}"
    subprocess.run([PYTHON, "-c", code], check=True, cwd=HERE, env=environment, timeout=WITHIN)


async def _ended(server: PostgresServer, operations: int) -> float:
    """Return the seconds from the first settled operation to the last, by the database's clock."""
    connection: Any = await asyncpg.connect(server.url("reference"))
    try:
        async with asyncio.timeout(WITHIN):
            while True:
                count, seconds = await connection.fetchrow(SPAN)
                if count == operations:
                    return float(seconds)
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
