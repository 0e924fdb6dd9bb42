"""The built archive of our Leshan server, started by its README alone: an empty folder, no Maven, an unprivileged
user."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import pytest

from tests.conftest import missing
from tests.support import loopback
from tests.support.leshan.launch import leshan_devices
from tests.support.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("java"), pytest.mark.timeout(600)]

NOBODY: Final = 65534


@pytest.fixture(scope="module")
def archive() -> Path:
    built = subprocess.run(
        ["make", "-s", "leshan-dist"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="reveille-archive-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def empty(archive: Path, tmp_path: Path) -> Iterator[Path]:
    """The folder of an unprivileged user with the unpacked archive, which its program may not write to."""
    folder = tmp_path / "operator"
    folder.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    for path in [unpacked, *unpacked.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    for path in [unpacked, *unpacked.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def unprivileged(
    command: list[str], folder: Path, environment: Mapping[str, str], stderr: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a process of an unprivileged user in a folder, with none of this process's environment."""
    user = NOBODY if os.geteuid() == 0 else None
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )


def path_with_java_alone(folder: Path) -> str:
    """Return a PATH with the machine's basic tools and Java, but without Maven."""
    java = shutil.which("java")
    assert java is not None
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname", "readlink", "sed"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    (tools / "java").symlink_to(java)
    return str(tools)


def start_command(unpacked: Path) -> str:
    """Return the command of the section `Start` in the archive's README."""
    section = (unpacked / "README.md").read_text().partition("## Start\n")[2].partition("\n## ")[0]
    found = re.search(r"^ {4}(\S.*)$", section, re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_archive_runs_by_its_readme_as_an_unprivileged_user(archive: Path, empty: Path, tmp_path: Path) -> None:
    (unpacked,) = empty.iterdir()
    command = start_command(unpacked).replace("8080", "0").replace("5683", "0")
    with (tmp_path / "log").open("wb") as log:
        environment = {"PATH": path_with_java_alone(tmp_path)}
        process = unprivileged(["sh", "-c", f"exec {command}"], empty, environment, log)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (tmp_path / "log").read_text()
            ports = json.loads(line)
            with leshan_devices(f"coap://127.0.0.1:{ports['coap']}") as devices:
                device = devices.create("first")
                url = f"http://127.0.0.1:{ports['http']}"
                read = loopback.get(f"{url}/api/clients/first/3/0/0?timeout=20", timeout=60)
                assert read.json()["success"]
                assert loopback.get(f"{url}/health/ready").is_success
                device.remove()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert process.stdout.read() == b"", "standard output has the ready line alone"
        finally:
            process.kill()
            process.communicate()
    assert [path.name for path in empty.iterdir() if path != unpacked] == ["leshan-data"]
    assert (empty / "leshan-data" / "leshan.sqlite").exists()


@pytest.mark.parametrize(
    ("java", "said"),
    [
        (None, "leshan-server: Java 17 or newer is required, but java was not found: install it, or set JAVA_HOME.\n"),
        (
            'openjdk version "11.0.2" 2019-01-15',
            "leshan-server: Java 17 or newer is required, but java has version 11.\n",
        ),
        ('java version "1.8.0_402"', "leshan-server: Java 17 or newer is required, but java has version 1.\n"),
        ("no Java at all", "leshan-server: Java 17 or newer is required, but java has version unknown.\n"),
    ],
)
def test_a_missing_or_old_java_is_reported_in_one_line(
    empty: Path, tmp_path: Path, java: str | None, said: str
) -> None:
    (unpacked,) = empty.iterdir()
    tools = path_with_java_alone(tmp_path)
    program = Path(tools) / "java"
    program.unlink()
    if java is not None:
        program.write_text(f"#!/bin/sh\necho {shlex.quote(java)} >&2\n")
        program.chmod(0o755)
    command = [str(unpacked / "bin" / "leshan-server"), "server"]
    process = unprivileged(command, empty, {"PATH": tools}, subprocess.PIPE)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.decode()) == (2, said)


def test_the_archive_has_one_version_per_library_and_the_container_files(empty: Path) -> None:
    (unpacked,) = empty.iterdir()
    libraries = [re.sub(r"-\d[\w.]*?(-M\d+)?(?=\.jar|-[a-z])", "", path.name) for path in (unpacked / "lib").iterdir()]
    assert sorted(set(libraries)) == sorted(libraries)
    lines = (unpacked / "ops" / "Containerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert copied
    assert [name for name in copied if not (unpacked / name).exists()] == []
    manual = (unpacked / "MANUAL.md").read_text()
    assert "(a page of the repository)" in manual
    links = [link for link in re.findall(r"\]\(([^)#]+)", manual) if not link.startswith("https:")]
    assert [link for link in links if not (unpacked / link).exists()] == []


def test_the_service_file_is_valid_and_hardened(empty: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        missing("systemd-analyze")
    (unpacked,) = empty.iterdir()
    unit = (unpacked / "ops" / "leshan-server.service").read_text().replace("/opt/leshan-server", str(unpacked))
    service = tmp_path / "leshan-server.service"
    service.write_text(unit)
    verified = subprocess.run([analyze, "verify", service], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", service], capture_output=True, text=True, check=False
    )
    assert rated.returncode == 0, rated.stdout
