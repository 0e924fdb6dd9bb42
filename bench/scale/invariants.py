"""``reveille check`` on a database with very many operations: its time and memory, compared with an empty database.

Then an invariant is violated at the very end of the table, and the check must report it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import time
from dataclasses import dataclass
from typing import Final

from bench.filling import fill
from bench.scale.common import Measured, judge, options, run
from bench.site import Site, site
from tests.support.processes import Command, environment

BREAK: Final = "UPDATE operation SET version = version + 1 WHERE seq = $1"
LAST: Final = "SELECT max(seq) FROM operation"


@dataclass(frozen=True, slots=True)
class Checked:
    """One run of ``reveille check``: seconds, and peak memory in MiB."""

    code: int
    said: str
    seconds: float
    cpu: float
    memory: float


def main() -> None:
    """Fill, check, violate, check again; exit with 1 if an invariant does not hold or a violation is not reported."""
    parser = options("bench.scale.invariants", __doc__)
    parser.add_argument("--operations", type=int, default=1_000_000, help="most ended, one in a hundred queued")
    parser.add_argument("--within", type=float, default=1_800.0, help="seconds after which a check is given up")
    arguments = parser.parse_args()
    broken: list[str] = []
    run(_measure(arguments, broken), f"reveille check on {arguments.operations:,} operations, {arguments.database}")
    judge(broken)


async def _measure(arguments: argparse.Namespace, broken: list[str]) -> list[Measured]:
    async with site(arguments.database) as system:
        empty = await _check(system, arguments.within)
        queued = max(1, arguments.operations // 100)
        ended = arguments.operations - queued
        await fill(system.reader, "ended", max(1, ended // 20), ended, ended=True)
        await fill(system.reader, "queued", max(1, queued // 20), queued)
        full = await _check(system, arguments.within)
        last = await system.one(LAST)
        await system.reader.execute(BREAK, last)
        planted = await _check(system, arguments.within)
        broken += [one.said for one in (empty, full) if one.code]
        if planted.code != 1 or f"invariant 1: {last}:" not in planted.said:
            broken.append(
                f"operation {last} breaks an invariant, and the check ends with {planted.code}: {planted.said}"
            )
        return [
            ("time, empty", empty.seconds, "s"),
            ("time", full.seconds, "s"),
            ("CPU of the check itself", full.cpu, "s"),
            ("memory, empty", empty.memory, "MiB"),
            ("memory", full.memory, "MiB"),
            ("named at the very end of the table", planted.said.splitlines()[0], ""),
        ]


async def _check(system: Site, within: float) -> Checked:
    return await asyncio.to_thread(_run_check, system, within)


def _run_check(system: Site, within: float) -> Checked:
    """Run the check as an operator does; the kernel reports the resources that it used."""
    values = environment({"database_url": system.database_url})
    begun = time.monotonic()
    process = subprocess.Popen([*Command().words, "check"], env=values, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if seconds > within:
        raise TimeoutError(f"the check took {seconds:.0f} s")
    return Checked(process.returncode, said.strip(), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
