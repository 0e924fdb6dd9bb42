"""The command line for a person or a service manager: help, bad settings, taken ports, two starts, the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.models.postgres import POOLER
from tests.conftest import missing
from tests.faults.proxy import before_socket
from tests.support import loopback
from tests.support.ports import free_port
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import ROOT, Command, Process, Processes
from tests.support.servers.pgbouncer import binary as pgbouncer_binary
from tests.support.servers.pgbouncer import pgbouncer
from tests.support.servers.postgres import PostgresServer, postgres
from tests.support.servers.process import ServerFailed
from tests.support.waiting import BOUND

VERBS = ("serve", "api", "dispatch", "bridge", "migrate", "check", "aggregate", "simulate", "schema")


@pytest.fixture
def commands(tmp_path: Path, processes_in: ProcessesIn) -> Iterator[Processes]:
    """Processes of one test, started by their command: for the start and the end of a process. The other tests fork
    theirs (``own_processes``), which run the same command line without the cost of its imports."""
    with processes_in(tmp_path, Command()) as group:
        yield group


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path / 'reveille.db'}"


def test_help_names_every_verb(commands: Processes) -> None:
    done = commands.run("--help")
    assert done.returncode == 0
    assert [verb for verb in VERBS if verb not in done.stdout] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(own_processes: Processes, verb: str) -> None:
    done = own_processes.run(verb, "--help")
    assert done.returncode == 0
    assert f"Usage: reveille {verb}" in done.stdout


@pytest.mark.parametrize(
    ("verb", "setting", "value", "said"),
    [
        ("serve", "port", "eighty", "REVEILLE_PORT"),
        ("serve", "databse_url", "sqlite://x.db", "REVEILLE_DATABASE_URL"),
        ("api", "auth", "me:operator:short", "REVEILLE_AUTH"),
        ("api", "host", "0.0.0.0", "REVEILLE_HOST"),
        ("dispatch", "leshan_url", "leshan:8080", "REVEILLE_LESHAN_URL"),
        ("dispatch", "leshan_url", "", "REVEILLE_LESHAN_URL"),
        ("bridge", "leshan_url", "", "REVEILLE_LESHAN_URL"),
        ("migrate", "database_url", "mysql://x", "REVEILLE_DATABASE_URL"),
        ("migrate", "database_url", "sqlite:///dev/null/x.db", "REVEILLE_DATABASE_URL"),
        ("serve", "database_url", "sqlite:///dev", "REVEILLE_DATABASE_URL"),
        ("check", "database_url", "sqlite:///dev", "REVEILLE_DATABASE_URL"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    own_processes: Processes, verb: str, setting: str, value: str, said: str
) -> None:
    done = own_processes.run(verb, **{setting: value})
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("verb", "url"),
    [
        ("migrate", "postgres://nobody@127.0.0.1:1/x"),
        ("migrate", "postgres://nobody@no-such-host.invalid/x"),
        ("serve", "postgres://nobody@127.0.0.1:1/x"),
    ],
)
def test_an_unusable_database_is_reported_in_one_line(own_processes: Processes, verb: str, url: str) -> None:
    done = own_processes.run(verb, database_url=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")


def test_a_file_that_is_no_database_is_reported_in_one_line(own_processes: Processes, tmp_path: Path) -> None:
    """A file whose first bytes show that it is no database is a bad setting."""
    header = "SQLite format 3\0"
    for begin, code in (("", 2), (header, 1)):
        file = tmp_path / f"no-{code}.db"
        file.write_text(
            begin + "no database at all, but long enough that its first bytes can be read as a header" * 100
        )
        done = own_processes.run("migrate", database_url=f"sqlite://{file}")
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
        assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")


@pytest.mark.parametrize("verb", ["migrate", "serve", "check"])
def test_a_path_that_sqlite_refuses_is_reported_in_one_line(
    own_processes: Processes, tmp_path: Path, verb: str
) -> None:
    """Two links point to each other."""
    for name, other in (("a.db", "b.db"), ("b.db", "a.db")):
        (tmp_path / name).symlink_to(other)
    done = own_processes.run(verb, database_url=f"sqlite://{tmp_path / 'a.db'}", port=0)
    assert (done.returncode, done.stderr) == (1, "reveille: REVEILLE_DATABASE_URL: unable to open database file\n")


def test_an_unsafe_postgresql_is_refused(own_processes: Processes, postgres_server: PostgresServer) -> None:
    """The suite's own server runs with ``fsync`` off: acknowledged commits could be lost."""
    done = own_processes.run("api", database_url=postgres_server.url(), port=0)
    assert done.returncode == 1
    assert "fsync" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("verb", "mode"), [("api", "transaction"), ("check", "transaction"), ("migrate", "session")])
def test_a_connection_pooler_is_refused_in_one_line(
    own_processes: Processes, postgres_server: PostgresServer, verb: str, mode: str
) -> None:
    if pgbouncer_binary() is None:
        missing("pgbouncer (the package of the same name)")
    ignored = "default_transaction_read_only,statement_timeout,lock_timeout"
    with pgbouncer(postgres_server, pool_mode=mode, ignore_startup_parameters=ignored) as url:
        done = own_processes.run(verb, database_url=url, port=0)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"reveille: REVEILLE_DATABASE_URL: {POOLER}\n"


def test_an_unusable_postgresql_is_reported_in_one_line(own_processes: Processes, tmp_path: Path) -> None:
    """The cases are a wrong password, a missing database, and a server that accepts connections and never responds."""
    with postgres() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        server.stop()
        access = "local missing all trust\nlocal all all scram-sha-256\n"
        (server.server.folder / "data" / "pg_hba.conf").write_text(access)
        server.restart()
        said = {
            f"postgres://postgres:hush@/postgres?host={server.server.folder}": "password authentication failed",
            f"postgres://postgres@/postgres?host={server.server.folder}": "password",
            server.url("missing"): 'database "missing" does not exist',
            f"postgres://postgres@127.0.0.1:{silent.getsockname()[1]}/x": "no answer within 3 s",
        }
        for verb, (url, text) in zip(("migrate", "check", "api", "migrate"), said.items(), strict=True):
            done = own_processes.run(verb, database_url=url)
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
            assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")
            assert text in done.stderr
            assert "hush" not in done.stderr


@pytest.mark.asyncio
async def test_a_postgresql_that_is_too_old_is_reported_in_one_line(
    own_processes: Processes, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A wire makes the server report that it is PostgreSQL 14."""
    async with before_socket(postgres_server.server.folder / ".s.PGSQL.5432", tmp_path) as wire:
        wire.answered = lambda piece: re.sub(rb"(server_version\x00)\d\d", rb"\g<1>14", piece)
        url = f"postgres://postgres@/postgres?host={tmp_path}"
        done = await asyncio.to_thread(own_processes.run, "migrate", database_url=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "reveille: REVEILLE_DATABASE_URL: PostgreSQL 14 is too old; 15 or newer is expected\n"


@pytest.mark.parametrize("verb", ["serve", "simulate"])
def test_an_occupied_port_is_reported_in_one_line(own_processes: Processes, sqlite: str, verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--port", str(port)] if verb == "simulate" else []
        done = own_processes.run(verb, *options, database_url=sqlite, port=port)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


def test_a_second_migration_changes_nothing(own_processes: Processes, sqlite: str) -> None:
    first, second = (own_processes.run("migrate", database_url=sqlite) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("applied 1_")
    assert second.stdout == "nothing to do: the schema is up to date\n"
    assert own_processes.run("check", database_url=sqlite).stdout == "all invariants hold\n"


def test_aggregates_are_computed_again(own_processes: Processes, sqlite: str) -> None:
    """Two readings of one hour are stored, of which an aggregate was never made."""
    assert own_processes.run("migrate", database_url=sqlite).returncode == 0
    hour = int(time.time()) // 3_600 * 3_600 - 36_000
    with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite://"))) as database, database:
        database.executescript(f"""
            INSERT INTO leshan_server (id, name) VALUES (1, 'leshan');
            INSERT INTO endpoint (id, server_id, name, presence, told_presence)
                VALUES (1, 1, 'd', 'OFFLINE', 'OFFLINE');
            INSERT INTO reading VALUES (2, 1, {hour}000000, 1, 1, 2, 1.5, 0, 1, '/3303/0/5700', 'FLOAT', '1.5'),
                (3, 1, {hour}000001, 1, 1, 3, 2.5, 0, 1, '/3303/0/5700', 'FLOAT', '2.5');
            INSERT INTO resource_state (id, endpoint_id, path, type, value, at)
                VALUES (3, 1, '/3303/0/5700', 'FLOAT', '2.5', {hour}000001);
            UPDATE ledger_head SET seq = 3, aggregated = 3;
        """)  # noqa: S608 - a number
    broken = own_processes.run("check", database_url=sqlite)
    assert broken.returncode == 1
    assert broken.stderr == "hourly aggregates: only those of the last day (--readings all: all)\n"
    assert broken.stdout.startswith(f"invariant 15: d /3303/0/5700, hour from {hour} s since the epoch")
    since = ("--since", datetime.fromtimestamp(hour + 1_800, UTC).isoformat())
    first = datetime.fromtimestamp(hour, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = own_processes.run("aggregate", *since, "--json", database_url=sqlite)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"since": first, "resources": 1, "readings": 2}
    checked = own_processes.run("check", "--readings", "all", database_url=sqlite)
    assert (checked.stdout, checked.stderr) == ("all invariants hold\n", "")
    done = own_processes.run("aggregate", *since, "-e", "d", database_url=sqlite)
    assert done.stdout == f"computed the hours since {first} of 1 resources from 2 readings\n"
    done = own_processes.run("aggregate", *since, "-e", "nobody", database_url=sqlite)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "reveille: --endpoint: unknown endpoint 'nobody'\n"


def test_aggregates_of_pruned_readings_are_not_computed(own_processes: Processes, sqlite: str) -> None:
    assert own_processes.run("migrate", database_url=sqlite).returncode == 0
    with contextlib.closing(sqlite3.connect(sqlite.removeprefix("sqlite://"))) as database, database:
        database.execute("UPDATE ledger_head SET seq = 3, reading_horizon = 1")
        database.commit()
        for kept in ("no readings are stored", "expected 2023-11-14T23:00:00Z or later"):
            done = own_processes.run("aggregate", "--since", "2023-11-14T22:30:00+00:00", database_url=sqlite)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == f"reveille: --since: readings of that time have been deleted; {kept}\n"
            stored = "(2, 1, 1, 1, 1700000000000000, 2, 1.5, 0, 1, '/3/0/9', 'FLOAT', '1.5')"
            database.execute(f"INSERT OR IGNORE INTO reading VALUES {stored}")  # noqa: S608 - a constant
            database.commit()


def test_aggregates_of_an_unusable_database_are_refused_in_one_line(own_processes: Processes, sqlite: str) -> None:
    since = ("--since", "2023-11-14T22:30:00Z")
    for url, code in (("postgres://nobody@127.0.0.1:1/x", 1), ("sqlite:///dev", 2), (sqlite, 1)):
        done = own_processes.run("aggregate", *since, database_url=url)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1), done.stderr
        assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")


def test_the_exported_schema_is_up_to_date(own_processes: Processes) -> None:
    done = own_processes.run("schema", str(ROOT / "schema.graphql"), "--check")
    assert done.returncode == 0, done.stderr


def test_two_starts_on_one_new_file(own_processes: Processes, sqlite: str) -> None:
    """One process migrates, the other waits for it; then both serve."""
    both = [own_processes.spawn("serve", database_url=sqlite, simulate_devices=2) for _ in range(2)]
    own_processes.ready(*both)
    for process in both:
        assert process.end() == 0
        assert "Traceback" not in process.log


def test_of_two_starts_on_one_port_one_serves(own_processes: Processes, sqlite: str) -> None:
    port = free_port()
    both = [own_processes.spawn("serve", database_url=sqlite, port=port, simulate_devices=2) for _ in range(2)]
    refused = [process for process in both if _refused(own_processes, process)]
    assert len(refused) == 1
    (line,) = refused[0].log.splitlines()
    assert f"127.0.0.1:{port}" in line


def _refused(group: Processes, process: Process) -> bool:
    try:
        group.ready(process)
    except ServerFailed:
        return process.server.process.poll() == 1
    return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_processes_in_order(commands: Processes, sqlite: str, how: signal.Signals) -> None:
    """While the event stream is open, a browser keeps its connection, and another peer never completes its request."""
    process = commands.start("serve", database_url=sqlite, simulate_devices=2)
    address = urlsplit(process.url)
    with (
        loopback.Client(base_url=process.url, timeout=BOUND) as kept,
        socket.create_connection((address.hostname, address.port)) as silent,
    ):
        silent.sendall(b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{")
        assert kept.get("/health/live").status_code == 200
        assert process.end(how) == 0
    assert "Traceback" not in process.log
    assert "stopping" in process.log


def test_a_signal_while_it_starts_ends_it_in_order(commands: Processes, sqlite: str) -> None:
    process = commands.spawn("serve", database_url=sqlite)
    commands.until(process, lambda: "simulator" in process.log)
    assert process.end() == 0
    assert "Traceback" not in process.log
