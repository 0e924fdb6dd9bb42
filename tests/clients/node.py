"""Run Node.js's own test runner and parse its report."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
BOUND: Final = 110.0
"""Seconds for one suite. No test's verdict depends on its size."""

_RESULT: Final = re.compile(r"^(ok|not ok) \d+ - (.*?)(?: # (?:SKIP|TODO).*)?$", re.MULTILINE)
"""A line of TAP about a test, not about a subtest, which is indented."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one JavaScript test; ``output`` is that of its whole file."""

    name: str
    passed: bool
    output: str


@dataclass(frozen=True, slots=True)
class Node:
    """Node.js with the environment of its processes."""

    environment: Mapping[str, str]

    def run(self, *arguments: str, folder: Path = FOLDER) -> subprocess.CompletedProcess[str]:
        return self._run(["node", *arguments], folder)

    def shell(self, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command as a user types it."""
        return self._run(["sh", "-c", command], folder)

    def _run(self, arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            cwd=folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=BOUND,
            check=False,
        )

    def test(self, file: Path) -> list[Result]:
        """Run the tests of one file, in the order of the file."""
        done = self.run("--test-reporter=tap", "--test", str(file), folder=file.parent)
        output = done.stdout + done.stderr
        results = [Result(name, word == "ok", output) for word, name in _RESULT.findall(done.stdout)]
        if done.returncode and all(result.passed for result in results):
            results.append(Result(f"{file.name} as a whole", passed=False, output=output))
        return results
