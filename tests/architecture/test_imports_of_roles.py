"""Each role's process loads what it uses: a package that only another role needs costs it memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.support.processes import ROOT, environment

OPTIONAL: Final = {"rich", "pygments", "watchfiles", "greenlet"}
"""Packages that libraries load if they are installed: a process excludes them, a short command does not."""

COMMAND_LINE: Final = {"app.commands", "typer", "pydantic"}
"""The command lines other than those of processes, and their parser."""

NEVER: Final = {"aerich", "tortoise", "redis", "obstore", *OPTIONAL, *COMMAND_LINE}
"""Packages that no process loads at its start, unless a revision has to be applied, the bus is Redis, or firmware
packages are in S3."""

GRAPHQL: Final = {"strawberry", "graphql", "app.schema", "app.web"}
SQLITE: Final = {"sqlite3", "aiosqlite", "app.models.sqlite", "app.models.ledger.sqlite_store"}
"""The driver of a database that is chosen by its address."""

CALLS: Final = {"app.dispatcher.dispatcher", "app.dispatcher.runner", "app.leshan.client", "ijson", "httpx"}

FORBIDDEN: Final[dict[str, set[str]]] = {
    "app.entrypoints.api": NEVER | SQLITE | CALLS | {"simulator"},
    "app.entrypoints.dispatch": NEVER
    | SQLITE
    | GRAPHQL
    | {"simulator", "websockets", "httpx_sse", "app.ingest.stream_bridge"},
    "app.entrypoints.bridge": NEVER
    | SQLITE
    | GRAPHQL
    | {"simulator", "websockets", "app.dispatcher.dispatcher", "app.dispatcher.runner"},
    "app.entrypoints.serve": NEVER | SQLITE,
    "app.bus.redis": {"opentelemetry"},
    "app.entrypoints.aggregate": NEVER - OPTIONAL | GRAPHQL | CALLS,
    "app.operator_cli.commands": NEVER - {"rich", "typer"} | GRAPHQL | CALLS | {"httpx", "app.settings", "structlog"},
}
"""The packages and modules that a role's process must not load, by the module that its command imports."""

PROCESSES: Final = (
    "app.entrypoints.api",
    "app.entrypoints.dispatch",
    "app.entrypoints.bridge",
    "app.entrypoints.serve",
    "app.bus.redis",
)
PROGRAM: Final = f"""
import json, sys
import app.cli
from app.command_runner import exclude_optional_packages
if sys.argv[1] in {PROCESSES}:
    exclude_optional_packages()
__import__(sys.argv[1])
print(json.dumps([name for name, module in sys.modules.items() if module is not None]))
"""


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_role_loads_no_package_of_another(module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {part for name in json.loads(ran.stdout) for part in _prefixes(name)}
    assert sorted(loaded & FORBIDDEN[module]) == []


def _prefixes(name: str) -> list[str]:
    """Return the names of a module and of the packages that contain it."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
