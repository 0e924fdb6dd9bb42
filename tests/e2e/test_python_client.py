"""The Python client, by the commands of its README, against the server that ``make run`` starts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from uv import find_uv_bin

from tests.support.processes import ROOT
from tests.support.waiting import BOUND

EXAMPLE: Final = ROOT / "frontend-examples" / "python-client"
LINES: Final = re.findall(r"^    (.+)$", (EXAMPLE / "README.md").read_text(), re.MULTILINE)
"""The lines of the README's code blocks: commands, and one output."""
MAKE_ENVIRONMENT, INSTALL, HELP, *COMMANDS = [line for line in LINES if line.startswith(("python3 ", ".venv/"))]
OUTPUT: Final = [line for line in LINES if not line.startswith(("python3 ", ".venv/"))]
STEP: Final = re.compile(r"\d\d:\d\d:\d\d\.\d{3}  [A-Z]+ +attempt \d  \S.*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with the environment that the README's first two commands make."""
    copy = tmp_path_factory.mktemp("example") / "python-client"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns(".venv"))
    run(MAKE_ENVIRONMENT, copy)
    # uv takes what its cache has, in a moment; pip installs what is missing
    uv = [find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--python", ".venv/bin/python"]
    subprocess.run([*uv, "--requirement", "requirements.txt"], cwd=copy, check=False)
    run(INSTALL, copy)
    return copy


def run(command: str, folder: Path) -> str:
    """Run a command of the README with the Python of the tests as ``python3``; return its output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_help_names_the_options_that_the_readme_uses(folder: Path) -> None:
    shown = run(HELP, folder)
    used = {word for command in COMMANDS for word in shlex.split(command) if word.startswith("--")}
    assert used == {"--kind", "--path", "--type", "--value", "--ttl"}
    assert all(option in shown for option in used)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_confirmed(command: str, folder: Path, reveille_url: str) -> None:
    """The server of the tests has another port than the default one."""
    operation, *steps = run(
        f"{command} --url {reveille_url}/graphql".replace("ENDPOINT", "dev-0002"), folder
    ).splitlines()
    assert [line.split()[1] for line in steps] == ["QUEUED", "SENDING", "CONFIRMED"]
    assert all(STEP.fullmatch(line) for line in [*steps, *OUTPUT[1:]])
    assert all(line.startswith("operation RGV2aWNlT3BlcmF0aW9uO") for line in (operation, OUTPUT[0]))


def test_an_error_of_the_server_is_reported(reveille_url: str) -> None:
    arguments = [sys.executable, str(EXAMPLE / "create_and_wait.py"), "unknown", "--url", f"{reveille_url}/graphql"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=BOUND, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("NOT_FOUND: ")
