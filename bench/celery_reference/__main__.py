"""Measure the job done with Celery against the same fake Leshan: ``python -m bench.celery_reference``.

The first run makes a virtual environment beside this file, from requirements with hashes. Nothing is left running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import asyncpg
import uvloop

from bench.measuring import Figure, medians, used_by
from bench.site import POSTGRES, fake_leshan
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.process import start
from tests.servers.valkey import valkey

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE / ".venv" / "bin" / "python"
WITHIN: Final = 600.0
SPAN: Final = (
    "SELECT count(*), extract(epoch FROM max(at) - min(at)) FROM reference_operation WHERE status = 'CONFIRMED'"
)


def main() -> None:
    """Install where needed, measure, print JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.celery_reference", description=__doc__)
    parser.add_argument("--operations", type=int, default=6_000)
    parser.add_argument("--devices", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="one round of 500 operations")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.operations, arguments.devices, arguments.rounds = 500, 100, 1
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
            command: list[str | Path] = [
                PYTHON,
                "-m",
                "celery",
                "--workdir",
                HERE,
                "-A",
                "jobs",
                "worker",
                "-P",
                "gevent",
                "-c",
                "100",
            ]
            folder = Path(own)
            worker = start(
                [*command, "-P", "gevent", "-c", "100", "--without-gossip", "--without-mingle", "--loglevel", "INFO"],
                folder,
                ready=lambda: " ready." in (folder / "server.log").read_text(),
                environment=environment,
            )
            try:
                used, by_database = used_by([worker.process.pid]).cpu, used_by([server.server.process.pid]).cpu
                _call(f"wake({arguments.devices})", environment)
                seconds = await _ended(server, arguments.operations)
                spent = used_by([worker.process.pid])
                by_database = used_by([server.server.process.pid]).cpu - by_database
            finally:
                worker.stop()
    each = 1e6 / arguments.operations
    return [
        Figure("Celery, gevent pool of 100: queued operations confirmed", arguments.operations / seconds, "/s"),
        Figure("Celery: CPU of an operation, worker", (spent.cpu - used) * each, "us"),
        Figure("Celery: CPU of an operation, PostgreSQL", by_database * each, "us"),
        Figure("Celery: memory of the worker", spent.memory, "MiB"),
    ]


def _call(what: str, environment: dict[str, str]) -> None:
    code = f"from gevent import monkey; monkey.patch_all(); import jobs; jobs.{what}"
    subprocess.run([PYTHON, "-c", code], check=True, cwd=HERE, env=environment, timeout=WITHIN)


async def _ended(server: PostgresServer, operations: int) -> float:
    """Seconds from the first settled operation to the last, by the database's clock."""
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
