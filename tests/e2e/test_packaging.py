"""The files under ``ops/``: no container engine runs here, so they are checked as far as possible without one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from app.cli import process_of
from app.commands import cli
from app.settings import load_settings
from tests.conftest import missing
from tests.support.processes import ROOT

OPS: Final = ROOT / "ops" / "reveille"
UNITS: Final = ("reveille-api@8000.service", "reveille-dispatch@8100.service", "reveille-bridge@8200.service")


@pytest.fixture
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = YAML(typ="safe").load(OPS / "compose.yaml")
    return parsed


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The folder of units as installed, with a program that exists here."""
    folder = tmp_path / "system"
    shutil.copytree(OPS / "systemd", folder, ignore=shutil.ignore_patterns("settings"))
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/reveille/bin/reveille", sys.executable))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze")
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_LOG_LEVEL": "warning", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [program, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_units_are_valid(units: Path) -> None:
    for unit in UNITS:
        template = units / re.sub("@.*", "@.service", unit)
        instance = units / unit
        instance.symlink_to(template.name)
    verified = analyze(units, "verify", *UNITS)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_units_are_hardened(units: Path) -> None:
    for unit in UNITS:
        (units / unit).symlink_to(re.sub("@.*", "@.service", unit))
        rated = analyze(units, "security", "--offline=true", "--threshold=15", unit)
        assert rated.returncode == 0, rated.stdout


def test_the_units_start_the_documented_commands() -> None:
    started = [line for unit in (OPS / "systemd").glob("*.service") for line in unit.read_text().splitlines()]
    commands = [line.split()[1:] for line in started if line.startswith("ExecStart=/opt/reveille/bin/reveille ")]
    assert sorted(command[0] for command in commands) == ["api", "bridge", "dispatch"]
    for command in commands:
        _assert_known(command)


def test_the_settings_of_the_units_are_valid(clean_environment: pytest.MonkeyPatch) -> None:
    lines = (OPS / "systemd" / "settings").read_text().splitlines()
    for line in lines:
        name, is_setting, value = line.removeprefix("# ").partition("=")
        if is_setting and re.fullmatch("REVEILLE_[A-Z_]+", name):
            clean_environment.setenv(name, value)
    settings = load_settings()
    assert (settings.database_url, len(settings.auth)) == ("postgres://reveille:change-me@localhost:5432/reveille", 2)


def test_the_compose_file_is_valid(compose: dict[str, Any]) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*check, OPS / "compose.yaml"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    services = compose["services"]
    assert {name: one.get("deploy", {}).get("replicas", 1) for name, one in services.items()} == {
        "api": 2,
        "dispatch": 2,
        "bridge": 2,
        "leshan": 1,
        "postgres": 1,
        "valkey": 1,
    }
    for name in ("api", "dispatch", "bridge"):
        _assert_known(services[name]["command"])
        assert services[name]["depends_on"].keys() < services.keys()
    named = {volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", ())}
    assert named == compose["volumes"].keys()


def test_the_compose_file_sets_valid_settings(compose: dict[str, Any], clean_environment: pytest.MonkeyPatch) -> None:
    given = {"REVEILLE_AUTH": "me:operator:a-token-of-16-characters", "POSTGRES_PASSWORD": "pass", "LESHAN_TOKEN": "t"}
    for name, value in compose["services"]["api"]["environment"].items():
        clean_environment.setenv(name, re.sub(r"\$\{(\w+):\?\}", lambda found: given[found[1]], value))
    settings = load_settings()
    assert settings.leshan_headers == {"Authorization": "Bearer t"}
    assert settings.database_url == "postgres://reveille:pass@postgres:5432/reveille"


@pytest.mark.parametrize("file", ["reveille/Containerfile", "leshan-server/Containerfile"])
def test_container_files_name_the_user_and_the_signal(file: str) -> None:
    instructions = dict(
        line.split(maxsplit=1) for line in (ROOT / "ops" / file).read_text().splitlines() if line and line[0] != "#"
    )
    assert (instructions["USER"], instructions["STOPSIGNAL"]) == ("10001:10001", "SIGTERM")


def _assert_known(command: list[str]) -> None:
    """Assert that the command line has a command, and only options, that exist."""
    name, *options = command
    words = [word.replace("%i", "8100") for word in command]
    assert process_of(words) is not None, "a process that Typer parses takes more memory"
    known = get_command(cli).commands[name]  # type: ignore[attr-defined]
    flags = {flag for parameter in known.params for flag in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= flags
