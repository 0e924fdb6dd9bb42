"""The command line as a person or a service manager meets it: help, bad settings, taken ports, two starts, the end."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.processes import ROOT, Process, Processes
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerFailed

VERBS = ("serve", "api", "dispatch", "bridge", "migrate", "check", "simulate", "schema")


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path / 'reveille.db'}"


def test_help_names_every_verb(own_processes: Processes) -> None:
    done = own_processes.run("--help")
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
    ],
)
def test_a_bad_setting_is_one_line(own_processes: Processes, verb: str, setting: str, value: str, said: str) -> None:
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
        ("migrate", "sqlite:///dev/null/x.db"),
        ("serve", "postgres://nobody@127.0.0.1:1/x"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(own_processes: Processes, verb: str, url: str) -> None:
    done = own_processes.run(verb, database_url=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")


def test_a_file_that_is_no_database_is_one_line(own_processes: Processes, tmp_path: Path) -> None:
    file = tmp_path / "no.db"
    file.write_text("no database at all, but long enough that its first bytes can be read as a header" * 100)
    done = own_processes.run("migrate", database_url=f"sqlite://{file}")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("reveille: REVEILLE_DATABASE_URL: ")


def test_an_unsafe_postgresql_is_refused(own_processes: Processes, postgres_server: PostgresServer) -> None:
    """The suite's own server runs with ``fsync`` off: acknowledged work could be lost."""
    done = own_processes.run("api", database_url=postgres_server.url(), port=0)
    assert done.returncode == 1
    assert "fsync" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["serve", "simulate"])
def test_a_taken_port_is_one_line(own_processes: Processes, sqlite: str, verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--port", str(port)] if verb == "simulate" else []
        done = own_processes.run(verb, *options, database_url=sqlite, port=port)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr


def test_migrating_twice_does_nothing_twice(own_processes: Processes, sqlite: str) -> None:
    first, second = (own_processes.run("migrate", database_url=sqlite) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("applied 1_")
    assert second.stdout == "nothing to do: the schema is up to date\n"
    assert own_processes.run("check", database_url=sqlite).stdout == "all laws hold\n"


def test_the_exported_schema_is_the_present_one(own_processes: Processes) -> None:
    done = own_processes.run("schema", str(ROOT / "schema.graphql"), "--check")
    assert done.returncode == 0, done.stderr


def test_two_starts_on_one_new_file(own_processes: Processes, sqlite: str) -> None:
    """One migrates, the other waits for it; then both serve."""
    both = [own_processes.spawn("serve", database_url=sqlite, simulate_devices=2) for _ in range(2)]
    own_processes.ready(*both)
    for process in both:
        assert process.end() == 0
        assert "Traceback" not in process.log


def test_of_two_starts_on_one_port_one_serves(own_processes: Processes, sqlite: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
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
def test_a_signal_ends_everything_in_order(own_processes: Processes, sqlite: str, how: signal.Signals) -> None:
    """While the event stream is open, a browser keeps its connection, and another peer never finishes what it asks."""
    process = own_processes.start("serve", database_url=sqlite, simulate_devices=2)
    address = urlsplit(process.url)
    with (
        httpx.Client(base_url=process.url, trust_env=False) as kept,
        socket.create_connection((address.hostname, address.port)) as silent,
    ):
        silent.sendall(b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{")
        assert kept.get("/health/live").status_code == 200
        assert process.end(how) == 0
    assert "Traceback" not in process.log
    assert "stopping" in process.log


def test_a_signal_while_it_starts_ends_it_in_order(own_processes: Processes, sqlite: str) -> None:
    process = own_processes.spawn("serve", database_url=sqlite)
    own_processes.until(process, lambda: "simulator" in process.log)
    assert process.end() == 0
    assert "Traceback" not in process.log
