"""The wheel in an empty environment outside of the clone, as for a user who has only the package."""

from __future__ import annotations

import os
import re
import shutil
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

from tests.conftest import missing
from tests.support.api import api, write
from tests.support.cluster import DURABLE
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import ROOT, Command, Processes
from tests.support.servers.postgres import postgres
from tests.support.servers.process import Server
from tests.support.servers.valkey import valkey
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
"""Installing downloads the packages that the cache does not have."""

UV: Final = find_uv_bin()
DASHBOARD: Final = ROOT / "frontend-examples" / "dashboard" / "dist"
"""Where `make dashboard` writes; not tracked."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = ["build", "--wheel", "--no-build-isolation", "--offline", "--quiet", "--python", sys.executable]
    subprocess.run([UV, *build, "--out-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """An environment that the steps of the container file made, in a folder instead of the image's ``/opt``."""
    folder = tmp_path_factory.mktemp("image")
    for instruction, arguments in instructions(ROOT / "ops" / "reveille" / "Containerfile"):
        inside = re.sub(r"/(opt|tmp)/reveille", rf"{folder}/\1", arguments)
        if instruction == "COPY":
            *sources, target = inside.split()
            Path(target).mkdir()
            for source in sources:
                shutil.copy(wheel if source == "dist/reveille-*.whl" else ROOT / source, target)
        elif instruction == "RUN" and "/opt" in inside:
            environment = _without_clone(os.environ) | {"PYTHON": sys.executable}
            _install_dependencies(folder / "opt", folder / "tmp" / "requirements.txt")
            subprocess.run(["sh", "-ec", inside], cwd=folder, env=environment, check=True)
    return folder / "opt"


def _install_dependencies(environment: Path, requirements: Path) -> None:
    """Let uv install the locked dependencies if it can, in a thirtieth of pip's time. The step that follows runs pip,
    which installs those that are missing, and requires that the file has a hash of each."""
    if not environment.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        python = str(environment / "bin" / "python")
        # without [tool.uv], whose constraints have no hashes
        install = [UV, "pip", "install", "--quiet", "--no-config", "--require-hashes", "--python", python]
        subprocess.run([*install, "--requirement", str(requirements)], check=False)


def instructions(container_file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a container file with their arguments."""
    lines = container_file.read_text().splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line and not line.startswith("#")]


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
        ["git", "ls-files", "app", "migrations", "frontend-examples/plain-html", "frontend-examples/trusted-documents"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    moved = {
        "migrations/": "app/migrations/",
        "frontend-examples/plain-html/": "app/static/page/",
        "frontend-examples/trusted-documents/": "app/static/trusted-documents/",
    }
    for clone, packaged in moved.items():
        tracked = [packaged + name.removeprefix(clone) if name.startswith(clone) else name for name in tracked]
    assert not set(tracked) - names
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names}
    assert {"LICENSE", "NOTICE", "app/static/graphiql/LICENSES.txt"} <= licenses
    assert not [name for name in names if name.startswith(("tests/", "bench/", "tools/"))]


def test_the_wheel_holds_the_dashboard(wheel: Path) -> None:
    if not DASHBOARD.exists():
        missing("the dashboard, which npm builds: make dashboard")
    built = {f"app/static/dashboard/{file.relative_to(DASHBOARD)}" for file in DASHBOARD.rglob("*") if file.is_file()}
    assert "app/static/dashboard/index.html" in built
    assert not built - set(zipfile.ZipFile(wheel).namelist())


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
async def test_all_roles_of_the_installed_program_confirm_an_operation(installed: Processes) -> None:
    with postgres(DURABLE) as database, valkey() as bus:
        simulator = installed.start("simulate", "--devices", "2")
        settings = {
            "database_url": await database.create("installed"),
            "redis_url": bus.url,
            "leshan_url": simulator.url,
            "leshan_events": "stream",
            "awake_window": 10,
        }
        migrated = installed.run("migrate", **settings)
        assert migrated.stdout.startswith("applied "), migrated.stderr
        roles = [installed.spawn(role, **settings) for role in ("api", "dispatch", "bridge")]
        installed.ready(*roles)
        url = roles[0].url
        created = installed.run("ops", "create", "dev-0001", "READ", "/3/0/0", "--wait", "--url", url)
        assert (created.returncode, "CONFIRMED" in created.stdout) == (0, True), created.stdout + created.stderr
        checked = installed.run("check", **settings)
        assert (checked.returncode, checked.stdout) == (0, "all invariants hold\n")
        assert [role.end() for role in roles] == [0, 0, 0]


@pytest.mark.asyncio
async def test_the_installed_program_serves_the_pages_and_confirms_an_operation(installed: Processes) -> None:
    served = installed.start("serve")
    async with api(served.url) as client:
        (operation,) = await client.create(write("dev-0001"))
        query = "query ($id: ID!) { deviceOperation(id: $id) { status } }"

        async def confirmed() -> bool:
            answer = await client.ask(query, id=operation)
            return bool(answer["deviceOperation"]["status"] == "CONFIRMED")

        await eventually(confirmed, "the operation is CONFIRMED")
        for path, text in {"/": "Reveille", "/plain-html/live.js": "export", "/graphql": "GraphiQL"}.items():
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
