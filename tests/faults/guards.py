"""``python -m tests.faults.guards``: the guarantees rest on these guards. If one is removed, a named test fails.

The guards are removed one by one from a copy of the tree; every test must pass with all guards and fail without its
own. Exit code 1 if a guard could be removed unnoticed, or its code has changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[2]
LEFT_OUT: Final = shutil.ignore_patterns(".git", ".venv", "__pycache__", "node_modules", "target", ".*_cache")
WITHIN: Final = 600.0


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard, how it is removed (``what`` becomes ``into`` in ``file``), and the test that then fails."""

    name: str
    file: str
    what: str
    into: str
    test: str
    database: str = "sqlite"


GUARDS: Final = (
    Guard(
        "the fence: a result with a stale attempt changes nothing",
        "app/models/ledger/settle.py",
        " or operation.attempt != attempt:\n        return False\n    return token is None or"
        " group.endpoints[operation.endpoint_id].lease_token == token\n",
        ":\n        return False\n    return True\n",
        "tests/integration/ledger/test_settling.py",
    ),
    Guard(
        "SENDING is committed before the request leaves",
        "app/models/ledger/ledger.py",
        "            await self._store.commit()\n        except",
        "            for one, result in zip(pending, results, strict=True):\n"
        "                one.resolve(result)\n"
        "            await self._store.commit()\n        except",
        "tests/integration/ledger/test_group_commit.py",
    ),
    Guard(
        "past the deadline nothing is sent",
        "app/leshan/transport.py",
        "                if time.monotonic() >= attempt.deadline:\n                    raise TooLateToSend\n",
        "",
        "tests/faults/test_moments.py::test_an_execute_is_never_handed_over_twice[before_write-freeze]",
    ),
    Guard(
        "one append lock: the order of the log is the order of commits",
        "app/models/ledger/postgres_store.py",
        "SELECT pg_advisory_xact_lock({APPEND_LOCK})",
        "SELECT 1",
        "tests/integration/ledger/test_faults.py::test_every_ledger_transaction_takes_the_append_lock_first",
        "postgres",
    ),
    Guard(
        "wakeSeq: a counted failure waits for a newer wake than its attempt's own",
        "app/models/ledger/leases.py",
        "endpoint.held_wake_seq = _wake_of_attempt(endpoint)",
        "endpoint.held_wake_seq = None",
        "tests/stories/test_attempts.py::test_one_wake_is_one_attempt",
    ),
    Guard(
        "wakeSeq: a wake that came during the attempt is not spent by its failure",
        "app/models/ledger/leases.py",
        "return endpoint.lease_wake_seq if endpoint.call_open else endpoint.wake_seq",
        "return endpoint.wake_seq",
        "tests/integration/ledger/test_settling.py::test_a_wake_during_the_attempt_is_not_lost",
    ),
    Guard(
        "wakeSeq: a verdict takes no presence from a device that woke meanwhile",
        "app/models/ledger/leases.py",
        "elif verdict.presence is not None and slept_on and endpoint.presence",
        "elif verdict.presence is not None and endpoint.presence",
        "tests/integration/ledger/test_settling.py::test_a_verdict_keeps_the_presence_of_a_device_that_woke_meanwhile",
    ),
    Guard(
        "an old primary of PostgreSQL is not used",
        "app/models/primary.py",
        "(newest := self._timelines[reply.system])",
        "(newest := 0)",
        "tests/unit/test_primary.py::test_an_old_primary_is_refused_also_while_the_new_one_is_unreachable",
    ),
    Guard(
        "the transport sends once, whatever becomes of the answer",
        "app/leshan/transport.py",
        "            answer = await self._send(self._request_bytes(request, headers), attempt)\n",
        "            try:\n"
        "                answer = await self._send(self._request_bytes(request, headers), attempt)\n"
        "            except Exception:\n"
        "                answer = await self._send(self._request_bytes(request, headers), attempt)\n",
        "tests/contract/test_leshan_transport.py::test_a_lost_answer_means_one_request_received",
    ),
)


def main() -> None:
    """Try all guards, or those whose name contains a word."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.guards", description=__doc__)
    parser.add_argument("words", nargs="*", help="only guards whose name holds one of these")
    words: list[str] = parser.parse_args().words
    chosen = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    table, unnoticed = Table("guard", "without it fails"), 0
    for guard in chosen:
        verdict = _verdict(guard)
        unnoticed += not verdict.startswith("tests/")
        table.add_row(guard.name, verdict)
    Console(width=160).print(table)
    sys.exit(1 if unnoticed else 0)


def _verdict(guard: Guard) -> str:
    with tempfile.TemporaryDirectory(prefix="reveille-guards-") as own:
        copy = Path(own) / "tree"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT, symlinks=True)
        if not _passes(guard, copy)[0]:
            return "its test fails with the guard in place"
        file = copy / guard.file
        text = file.read_text()
        if text.count(guard.what) != 1:
            return "the guard is not where it was"
        file.write_text(text.replace(guard.what, guard.into))
        passes, failed = _passes(guard, copy)
        return "NOTHING" if passes else failed


def _passes(guard: Guard, tree: Path) -> tuple[bool, str]:
    """Return whether the guard's test passes; if not, also the first test that failed."""
    command: Sequence[str] = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", guard.test]
    values = os.environ | {"PYTHONPATH": str(tree), "REVEILLE_TEST_DATABASE": guard.database}
    done = subprocess.run(command, cwd=tree, env=values, capture_output=True, text=True, timeout=WITHIN, check=False)
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return done.returncode == 0, failed[0] if failed else f"pytest ended with {done.returncode}"


if __name__ == "__main__":
    main()
