"""The wheel in an empty environment outside of the clone, as for a user who has only the package."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx
import pytest
from uv import find_uv_bin

from tests.support.api import api, write
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import ROOT, Command, Processes
from tests.support.servers.process import Server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
"""Installing downloads the packages that the cache does not have."""

UV: Final = find_uv_bin()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = ["build", "--wheel", "--no-build-isolation", "--offline", "--quiet", "--python", sys.executable]
    subprocess.run([UV, *build, "--out-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """An environment with the wheel and its declared dependencies, in the versions of the lock file."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    locked = ["--constraint", str(ROOT / "requirements.txt")]
    python = str(venv / "bin" / "python")
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *locked, str(wheel)], check=True)
    return venv


class Outside(Command):
    """The launcher of a program that does not see the clone."""

    def launch(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Server:
        return super().launch(arguments, folder, _without_clone(environment))


@pytest.fixture(scope="module")
def installed(
    environment: Path, tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn
) -> Iterator[Processes]:
    """Processes of the installed program, which do not see the clone."""

    with processes_in(tmp_path_factory.mktemp("outside"), Outside((str(environment / "bin" / "reveille"),))) as group:
        yield group


def test_the_wheel_holds_migrations_the_page_and_licenses(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "app", "migrations", "frontend-examples/plain-html"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    moved = {"migrations/": "app/migrations/", "frontend-examples/plain-html/": "app/static/page/"}
    for clone, packaged in moved.items():
        tracked = [packaged + name.removeprefix(clone) if name.startswith(clone) else name for name in tracked]
    assert not set(tracked) - names
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names}
    assert {"LICENSE", "NOTICE", "app/static/graphiql/LICENSES.txt"} <= licenses
    assert not [name for name in names if name.startswith(("tests/", "bench/", "tools/"))]


def test_the_installed_program_prints_its_version(environment: Path) -> None:
    done = _run(environment, "--version")
    assert (done.returncode, done.stdout) == (0, f"reveille {version('reveille')}\n")


def test_the_installed_program_migrates_an_empty_database(environment: Path, tmp_path: Path) -> None:
    database = {"REVEILLE_DATABASE_URL": f"sqlite://{tmp_path / 'reveille.db'}"}
    files = (ROOT / "migrations" / "sqlite" / "models").glob("[0-9]*.py")
    revisions = sorted((file.stem for file in files), key=lambda stem: int(stem.partition("_")[0]))
    first, second = (_run(environment, "migrate", **database) for _ in range(2))
    assert first.stdout.splitlines() == [f"applied {revision}.py" for revision in revisions], first.stderr
    assert second.stdout == "nothing to do: the schema is up to date\n"


@pytest.mark.asyncio
async def test_the_installed_program_serves_the_page_and_confirms_an_operation(installed: Processes) -> None:
    served = installed.start("serve")
    async with api(served.url) as client:
        (operation,) = await client.create(write("dev-0001"))
        query = "query ($id: ID!) { deviceOperation(id: $id) { status } }"

        async def confirmed() -> bool:
            answer = await client.ask(query, id=operation)
            return bool(answer["deviceOperation"]["status"] == "CONFIRMED")

        await eventually(confirmed, "the operation is CONFIRMED")
        for path, text in {"/": "Reveille", "/live.js": "export", "/graphql": "GraphiQL"}.items():
            page = await client.http.get(path, headers={"accept": "text/html"})
            assert (page.status_code, text in page.text) == (httpx.codes.OK, True), path
        script = await client.http.get("/static/graphiql/graphiql/graphiql.min.js")
        assert script.status_code == httpx.codes.OK
    assert served.end() == 0


def _run(environment: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment / "bin" / "reveille"), *arguments]
    values = _without_clone({**os.environ, **settings})
    return subprocess.run(command, cwd=environment, env=values, capture_output=True, text=True, timeout=60, check=False)


def _without_clone(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name != "PYTHONPATH"}
