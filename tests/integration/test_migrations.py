"""Migrations create the tables that the models declare, reject impossible rows, and run once however many processes
start."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aerich import Command
from tortoise import fields
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError
from tortoise.models import Model

from app.domain.enums import ValueType
from app.models import tables
from app.models.database import MIGRATIONS, is_sqlite, migrate, reading
from app.models.endpoint_index import OBJECTS, TAGS
from app.models.invariant_check import violations
from app.models.ledger import open_store
from app.models.ledger.rows import ENDPOINT_COLUMNS, SERVER_COLUMNS
from app.models.ledger.store import Store, StoreRefused
from app.models.migration import tortoise_config
from app.models.operation import OPERATION_COLUMNS
from app.models.operation_index import FILING, filing
from app.models.queries.access import Lane, reader

pytestmark = pytest.mark.asyncio

MODELS: Final = [
    model
    for model in vars(tables).values()
    if isinstance(model, type) and issubclass(model, Model) and model is not Model
]

NUMBERS: Final = [int(file.name.split("_")[0]) for file in (MIGRATIONS / "sqlite" / "models").glob("[0-9]*.py")]
REVISIONS: Final = len(NUMBERS)

_TYPES: Final[dict[type[fields.Field[Any]], set[str]]] = {
    fields.BigIntField: {"BIGINT"},
    fields.FloatField: {"DOUBLE PRECISION", "REAL"},
    fields.SmallIntField: {"SMALLINT"},
    fields.IntField: {"INT", "INTEGER"},
    fields.BooleanField: {"BOOL", "BOOLEAN"},
    fields.TextField: {"TEXT"},
    fields.UUIDField: {"UUID", "CHAR(36)"},
    fields.CharField: {"VARCHAR", "CHARACTER VARYING"},
}


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = open_store(database_url, unsafe=True)
    await opened.open()
    yield opened
    await opened.close()


async def columns_of(store: Store, table: str) -> dict[str, tuple[str, bool]]:
    """Return column -> (type, nullable), as the database has it."""
    if store.postgres:
        sql = (
            "SELECT column_name AS name, data_type || coalesce('(' || character_maximum_length || ')', '') AS type, "
            "is_nullable = 'YES' AS nullable FROM information_schema.columns WHERE table_name = $1"
        )
        rows = await store.fetch(sql, table)
        return {row["name"]: (row["type"].upper(), row["nullable"]) for row in rows}
    rows = await store.fetch("SELECT name, type, [notnull] = 0 AS nullable FROM pragma_table_xinfo($1)", table)
    return {row["name"]: (row["type"].upper(), bool(row["nullable"])) for row in rows}


def declared(model: type[Model]) -> Mapping[str, fields.Field[Any]]:
    """Return column -> its field; a foreign key's column is that of the key that it references."""
    meta = model._meta
    return {
        field.source_field or name: field
        for name, field in meta.fields_map.items()
        if name in meta.fields_db_projection
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
async def test_a_migrated_table_is_the_declared_one(store: Store, model: type[Model]) -> None:
    found, wanted = await columns_of(store, model._meta.db_table), declared(model)
    assert found.keys() == wanted.keys()
    for name, field in wanted.items():
        type_, nullable = found[name]
        assert nullable is field.null, name
        kind = next(words for base, words in _TYPES.items() if isinstance(field, base))
        if field.pk and not store.postgres:
            kind = kind | {"INTEGER"}  # SQLite's own row number, of 64 bits
        assert type_ in kind or type_.split("(")[0] in kind, (name, type_)
        if isinstance(field, fields.CharField):
            assert type_.endswith(f"({field.max_length})"), name


async def test_every_migrated_table_is_declared(store: Store) -> None:
    if store.postgres:
        sql = (
            "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind IN ('r', 'p') AND NOT relispartition"
        )
    else:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    names = {row["name"] for row in await store.fetch(sql)}
    indexes = {TAGS, OBJECTS, FILING} if store.postgres else {TAGS, OBJECTS}
    assert names == {model._meta.db_table for model in MODELS} | {"aerich"} | indexes


async def test_the_ledgers_rows_name_columns_that_exist(store: Store) -> None:
    for table, columns in (
        ("leshan_server", SERVER_COLUMNS),
        ("endpoint", ENDPOINT_COLUMNS),
        ("operation", OPERATION_COLUMNS),
    ):
        assert set(columns) <= (await columns_of(store, table)).keys()


MOVED_BY_MOST_MESSAGES: Final = (
    *("leshan_last_update", "last_update_at", "contacts", "last_seen_at"),
    *("lifetime_ends_at", "awake_until", "wake_seq"),
)


async def test_no_index_has_a_column_that_most_messages_change(store: Store) -> None:
    """PostgreSQL would write an entry to every index of the table for each message."""
    if store.postgres:
        sql = "SELECT indexdef AS definition FROM pg_indexes WHERE tablename = 'endpoint'"
    else:
        sql = "SELECT sql AS definition FROM sqlite_master WHERE tbl_name = 'endpoint' AND type = 'index'"
    definitions = [row["definition"] for row in await store.fetch(sql)]
    assert len(definitions) > 10
    for definition in definitions:
        assert not {*MOVED_BY_MOST_MESSAGES} & {*re.findall(r"\w+", definition or "")}, definition


SERVER: Final = "INSERT INTO leshan_server (id, name) VALUES (1, 'leshan')"
ENDPOINT: Final = (
    "INSERT INTO endpoint (id, server_id, name, presence, told_presence) VALUES (1, 1, 'd', 'OFFLINE', 'OFFLINE')"
)
OPERATION: Final = (
    "INSERT INTO operation (seq, id, endpoint_id, kind, paths, replace, priority, max_attempts, repeatable, validated, "
    "timeout_seconds, created_at, status, version, last_seq, delivery) VALUES "
    "($1, $2, 1, 'READ', '[]', TRUE, 0, 3, TRUE, FALSE, 30, 1, 'QUEUED', 1, 3, 'NOT_SENT')"
)
TRANSITION: Final = (
    "INSERT INTO transition (seq, operation_id, number, from_status, to_status, attempt, at) VALUES (3, 2, {}, 0, 1)"
)
BATCH: Final = (
    "INSERT INTO operation_batch (id, name, endpoint_filter, template, fingerprint, created, begun_by, begun_at, "
    "continued_at) VALUES {}"
)
IDS: Final = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")

IMPOSSIBLE: Final = {
    "two heads": "INSERT INTO ledger_head (id, seq, horizon) VALUES (2, 0, 0)",
    "a horizon beyond the log": "UPDATE ledger_head SET horizon = seq + 1",
    "a counter below nothing": "UPDATE leshan_server SET queued = -1",
    "an endpoint's counter below nothing": "UPDATE endpoint SET failed = -1",
    "two sending at one endpoint": "UPDATE endpoint SET sending = 2",
    "a lease without an end": "UPDATE endpoint SET lease_operation = 2, sending = 1",
    "a call without a lease": "UPDATE endpoint SET call_open = TRUE",
    "offline and sendable": "UPDATE endpoint SET awake_until = 5",
    "an unknown presence": "UPDATE endpoint SET presence = 'AWAY'",
    "a window of no length": "UPDATE endpoint SET awake_window_seconds = 0",
    "a second endpoint of that name": ENDPOINT.replace("(1, 1,", "(9, 1,"),
    "an endpoint of no server": ENDPOINT.replace("(1, 1, 'd'", "(9, 9, 'e'"),
    "an unknown status": "UPDATE operation SET status = 'LOST'",
    "an unknown kind": "UPDATE operation SET kind = 'GUESS'",
    "an unknown delivery": "UPDATE operation SET delivery = 'SURE'",
    "an end without a time": "UPDATE operation SET status = 'FAILED'",
    "a time without an end": "UPDATE operation SET finished_at = 5",
    "more attempts than may be": "UPDATE operation SET attempts = 4, attempt = 9",
    "more attempts counted than made": "UPDATE operation SET attempts = 1",
    "no attempt at all": "UPDATE operation SET max_attempts = 0",
    "a timeout of nothing": "UPDATE operation SET timeout_seconds = 0",
    "a priority out of range": "UPDATE operation SET priority = 101",
    "both operations sending": "UPDATE operation SET status = 'SENDING'",
    "one key for two": "UPDATE operation SET idempotency_key = 'k'",
    "a first step from somewhere": TRANSITION.format("1, 'QUEUED', 'SENDING'"),
    "a later step from nowhere": TRANSITION.format("2, NULL, 'QUEUED'"),
    "a move that the lifecycle has not": TRANSITION.format("2, 'QUEUED', 'CONFIRMED'"),
    "a move out of an end": TRANSITION.format("2, 'FAILED', 'QUEUED'"),
    "a batch with less than no operations": BATCH.format("(1, 'a', '{}', '{}', 'f', -1, 'olga', 1, 1)"),
    "two batches of one name": BATCH.format(
        "(1, 'a', '{}', '{}', 'f', 0, 'olga', 1, 1), (2, 'a', '{}', '{}', 'f', 0, 'olga', 1, 1)"
    ),
    "an endpoint gone before its operations": "DELETE FROM endpoint",
}


@pytest_asyncio.fixture
async def peopled(store: Store) -> Store:
    """A database with one server, one endpoint, two queued operations."""
    for sql in (SERVER, ENDPOINT):
        await store.execute(sql)
    for seq, id_ in zip((2, 4), IDS, strict=True):
        await store.execute(OPERATION, seq, id_)
    return store


@pytest.mark.parametrize("sql", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
async def test_an_impossible_row_is_refused(peopled: Store, sql: str) -> None:
    with pytest.raises(StoreRefused):
        await peopled.execute(sql)


async def test_transitions_are_deleted_with_their_operation(peopled: Store) -> None:
    await peopled.execute(TRANSITION.format("1, NULL, 'QUEUED'"))
    await peopled.execute("DELETE FROM operation WHERE seq = 2")
    assert list(await peopled.fetch("SELECT * FROM transition")) == []


FILED: Final = "seq, endpoint_id, kind, path, batch, created_by, created_at"


async def test_an_operation_has_its_index_row_as_long_as_it_exists(peopled: Store) -> None:
    if not peopled.postgres:
        pytest.skip("SQLite has these indexes on the operations themselves")
    for seqs in ([2, 4], [4], []):
        filed = await peopled.fetch(f"SELECT {FILED} FROM {FILING}")  # noqa: S608 - a name of ours
        rows = await peopled.fetch(f"SELECT {FILED} FROM operation")  # noqa: S608
        assert sorted(map(tuple, filed)) == sorted(map(tuple, rows))
        assert sorted(row["seq"] for row in filed) == seqs
        await peopled.execute("DELETE FROM operation WHERE seq = (SELECT min(seq) FROM operation)")


async def test_migrating_a_migrated_database_does_nothing(empty_database_url: str) -> None:
    assert len(await migrate(empty_database_url)) == REVISIONS
    assert await migrate(empty_database_url) == []


_MIGRATE: Final = (
    "import asyncio, sys; from app.models.database import migrate; print(len(asyncio.run(migrate(sys.argv[1]))))"
)


async def test_of_processes_that_start_at_once_one_migrates(empty_database_url: str) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _MIGRATE, empty_database_url]
        root = Path(__file__).parents[2]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)

    processes = [start() for _ in range(3)]
    outputs = [await asyncio.to_thread(process.communicate, timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted(output for output, _ in outputs) == ["0\n", "0\n", f"{REVISIONS}\n"]


async def test_an_interrupted_migration_is_continued(empty_database_url: str) -> None:
    """SQLite runs a migration outside of any transaction: the process may have ended after the first tables. PostgreSQL
    runs it inside of one: an interrupted migration has left nothing."""
    store = open_store(empty_database_url, unsafe=True)
    if is_sqlite(empty_database_url):
        await migrate(empty_database_url)
        await store.open()
        for table in ("aerich", "early_response", "webhook_delivery", "transition"):
            await store.execute(f"DROP TABLE {table}")
    else:
        await store.open()
        await store.execute("CREATE TABLE transition (in_the_way INT)")
        with pytest.raises(OperationalError):
            await migrate(empty_database_url)
        assert await columns_of(store, "operation") == {}
        await store.execute("DROP TABLE transition")
    assert len(await migrate(empty_database_url)) == REVISIONS
    assert "operation_id" in await columns_of(store, "transition")
    await store.close()


async def test_a_downgrade_removes_everything_and_an_upgrade_restores_it(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    dialect = "sqlite" if is_sqlite(empty_database_url) else "postgres"
    config = tortoise_config(empty_database_url)
    async with TortoiseContext() as context:
        await context.init(config=config)
        command = Command(config, app="models", location=str(MIGRATIONS / dialect))
        await command.downgrade(version=1, delete=False)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    tables_made = (FILING, TAGS, OBJECTS, *(model._meta.db_table for model in MODELS))
    assert all([not await columns_of(store, table) for table in tables_made])
    await store.close()
    assert len(await migrate(empty_database_url)) == REVISIONS


async def to_revision(number: int, database_url: str) -> None:
    """Bring a database to this revision, with it recorded and none after it."""
    dialect = "sqlite" if is_sqlite(database_url) else "postgres"
    config = tortoise_config(database_url)
    await migrate(database_url)
    async with TortoiseContext() as context:
        await context.init(config=config)
        command = Command(config, app="models", location=str(MIGRATIONS / dialect))
        if later := [one for one in NUMBERS if one > number]:
            await command.downgrade(version=min(later), delete=False)


WRITTEN_BY_THE_FIRST: Final = (
    SERVER,
    ENDPOINT,
    OPERATION.replace("$1", "2").replace("$2", f"'{IDS[0]}'"),
    TRANSITION.format("1, NULL, 'QUEUED'"),
    "UPDATE endpoint SET queued = 1",
    "UPDATE leshan_server SET queued = 1",
    "UPDATE ledger_head SET seq = 3",
)
"""The statements of version 0.1.0: it names its own columns, and knows no others."""


async def test_a_database_of_the_first_version_is_upgraded_with_its_rows(empty_database_url: str) -> None:
    await to_revision(1, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    assert "paused" not in await columns_of(store, "endpoint")
    assert await columns_of(store, "dispatch_pause") == {}
    for sql in WRITTEN_BY_THE_FIRST:
        await store.execute(sql)
    assert len(await migrate(empty_database_url)) == REVISIONS - 1
    (endpoint,) = await store.fetch("SELECT name, queued, paused FROM endpoint")
    assert (endpoint["name"], endpoint["queued"], bool(endpoint["paused"])) == ("d", 1, False)
    (operation,) = await store.fetch("SELECT status, batch FROM operation")
    assert (operation["status"], operation["batch"]) == ("QUEUED", None)
    (filed,) = await store.fetch(f"SELECT seq, kind FROM {filing(postgres=store.postgres)}")  # noqa: S608
    assert (filed["seq"], filed["kind"]) == (2, "READ")
    await store.close()
    assert await violations(empty_database_url, now=1) == []
    assert await migrate(empty_database_url) == []


async def test_the_first_version_works_beside_the_current_one(store: Store) -> None:
    """Old and new processes share one database: the present schema accepts the statements of the old ones."""
    for sql in WRITTEN_BY_THE_FIRST:
        await store.execute(sql)
    await store.execute("UPDATE leshan_server SET bridge_holder = 'old', bridge_until = 5")
    (server,) = await store.fetch("SELECT bridge_open_since FROM leshan_server")
    assert server["bridge_open_since"] is None, "a bridge of the old version does not tell, which is not the same as no"


async def test_an_interrupted_migration_of_the_second_revision_is_continued(empty_database_url: str) -> None:
    if not is_sqlite(empty_database_url):
        pytest.skip("PostgreSQL runs a migration inside of a transaction")
    await to_revision(1, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    await store.execute("ALTER TABLE endpoint ADD COLUMN paused BOOL NOT NULL DEFAULT FALSE")
    assert len(await migrate(empty_database_url)) == REVISIONS - 1
    assert "bridge_open_since" in await columns_of(store, "leshan_server")
    await store.close()


async def test_a_device_that_was_held_back_forever_can_be_called_after_upgrade(
    empty_database_url: str,
) -> None:
    """Revision 5: a response had cleared the retry time of a device without queue mode, but not the end of its turn."""
    await to_revision(4, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in (*WRITTEN_BY_THE_FIRST, *STUCK):
        await store.execute(sql)
    await migrate(empty_database_url)
    rows = await store.fetch("SELECT name, ready_at FROM endpoint ORDER BY name")
    await store.close()
    assert [tuple(row) for row in rows] == [("d", 7), ("sleeps", None), ("waits", None)]


ONE_MORE: Final = (
    "INSERT INTO endpoint (id, server_id, name, presence, told_presence, awake_until, queued, held_wake_seq, "
    "queue_mode, retry_at) VALUES ({}, 1, '{}', 'ONLINE', 'ONLINE', 9, 1, 0, {}, {})"
)
STUCK: Final = (
    "UPDATE endpoint SET presence = 'ONLINE', awake_until = 9, queue_mode = FALSE, held_wake_seq = 0, not_before = 7",
    ONE_MORE.format(8, "sleeps", "TRUE", "NULL"),
    ONE_MORE.format(9, "waits", "FALSE", "99"),
)


REGISTERED: Final = (
    "UPDATE endpoint SET presence = 'ONLINE', awake_until = 9, registered_at = 3600000005, last_seen_at = 7200000007",
    """UPDATE endpoint SET lifetime_ends_at = 8, object_links = '[{"url": "/3/0"}, {"url": "/5"}]'""",
    ENDPOINT.replace("(1, 1, 'd'", "(7, 1, 'never seen'"),
)


async def test_endpoints_are_found_by_object_and_last_contact_after_upgrade(empty_database_url: str) -> None:
    """Revision 9: the tables and columns of the filters are filled from the rows."""
    await to_revision(8, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in (*WRITTEN_BY_THE_FIRST, *REGISTERED):
        await store.execute(sql)
    await migrate(empty_database_url)
    (seen, unseen) = await store.fetch("SELECT * FROM endpoint ORDER BY id")
    objects = await store.fetch("SELECT endpoint_id, object_id, name FROM endpoint_object ORDER BY object_id")
    (operation,) = await store.fetch("SELECT endpoint_id FROM operation")
    await store.close()
    found = (seen["first_seen_at"], seen["seen_hour"], seen["overdue_check_at"], bool(seen["overdue"]), seen["queued"])
    assert found == (3_600_000_005, 2, 8, False, 1)
    assert [unseen[name] for name in ("first_seen_at", "seen_hour", "overdue_check_at", "tags")] == [None] * 4
    assert [tuple(row) for row in objects] == [(1, 3, "d"), (1, 5, "d")]
    assert operation["endpoint_id"] == 1
    assert await violations(empty_database_url, now=1) == []


WINDOW_OPEN: Final = (
    "UPDATE endpoint SET presence = 'ONLINE', awake_until = 9, lifetime_ends_at = 20, ready_at = 4",
    ENDPOINT.replace("(1, 1, 'd'", "(7, 1, 'never seen'"),
)


@pytest.mark.parametrize("interrupted", [False, True])
async def test_the_ends_of_presence_are_known_after_upgrade(empty_database_url: str, interrupted: bool) -> None:
    """Revision 15: the database computes them from the rows of earlier versions. An interrupted migration of SQLite,
    which runs outside of a transaction, is continued."""
    await to_revision(14, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in (*WRITTEN_BY_THE_FIRST, *WINDOW_OPEN):
        await store.execute(sql)
    if interrupted:
        await store.execute("ALTER TABLE endpoint ADD COLUMN presence_check_at BIGINT")
    await migrate(empty_database_url)
    ends = "SELECT presence_due_at, ready_until FROM endpoint ORDER BY id"
    assert [tuple(row) for row in await store.fetch(ends)] == [(9, 9), (None, None)]
    for change, expected in (
        ("awake_until = 30, presence_check_at = 9", (9, 30)),
        ("presence_check_at = NULL", (20, 30)),
        ("presence = 'ASLEEP', awake_until = NULL, ready_at = NULL", (20, None)),
        ("lifetime_ends_at = NULL", (None, None)),
        ("presence_check_at = 9, presence = 'OFFLINE'", (None, None)),
    ):
        await store.execute(f"UPDATE endpoint SET {change} WHERE id = 1")  # noqa: S608 - a text of ours
        assert tuple((await store.fetch(ends))[0]) == expected, change
    await store.close()


async def test_an_interrupted_migration_of_the_ninth_revision_is_continued(empty_database_url: str) -> None:
    if not is_sqlite(empty_database_url):
        pytest.skip("PostgreSQL runs a migration inside of a transaction")
    await to_revision(8, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in WRITTEN_BY_THE_FIRST:
        await store.execute(sql)
    await store.execute("ALTER TABLE endpoint ADD COLUMN overdue BOOL NOT NULL DEFAULT 0")
    await migrate(empty_database_url)
    with pytest.raises(StoreRefused):
        await store.execute(ENDPOINT.replace("(1, 1,", "(9, 1,"))
    await store.execute("UPDATE endpoint SET deleted_at = 1")
    await store.execute(ENDPOINT.replace("(1, 1,", "(9, 1,"))
    await store.execute("DELETE FROM endpoint WHERE id = 9")
    with pytest.raises(StoreRefused):
        await store.execute("DELETE FROM endpoint")
    await store.close()


async def test_a_downgrade_removes_deleted_endpoints_with_their_operations(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in WRITTEN_BY_THE_FIRST:
        await store.execute(sql)
    await store.execute("UPDATE endpoint SET deleted_at = 1")
    await store.execute(ENDPOINT.replace("(1, 1,", "(9, 1,"))
    await to_revision(8, empty_database_url)
    with pytest.raises(StoreRefused):
        await store.execute(ENDPOINT.replace("(1, 1,", "(10, 1,"))
    assert [row["id"] for row in await store.fetch("SELECT id FROM endpoint")] == [9]
    (server,) = await store.fetch("SELECT queued FROM leshan_server")
    assert server["queued"] == 0
    await migrate(empty_database_url)
    await store.close()
    assert await violations(empty_database_url, now=1) == []


async def test_reading_connections_cannot_write(database_url: str) -> None:
    async with reading(database_url):
        for lane in Lane:
            with pytest.raises(Exception, match=r"read-?only"):
                await reader(lane).execute_query("UPDATE ledger_head SET seq = 1")


AT: Final = 1_700_000_000_000_000
CHANGES: Final[list[tuple[ValueType, str, float | None]]] = [
    (ValueType.FLOAT, "21.5", 21.5),
    (ValueType.FLOAT, "-1e-07", -1e-07),
    (ValueType.FLOAT, "1.5e300", None),
    (ValueType.FLOAT, "1e300", 1e300),
    (ValueType.FLOAT, "5e-324", 5e-324),
    (ValueType.FLOAT, "1e16", 1e16),
    (ValueType.FLOAT, "null", None),
    (ValueType.FLOAT, '"kept as received"', None),
    (ValueType.FLOAT, '{"0":1.5}', None),
    (ValueType.INTEGER, '"-9223372036854775808"', -(2.0**63)),
    (ValueType.INTEGER, '{"0":"7"}', None),
    (ValueType.UNSIGNED_INTEGER, '"18446744073709551615"', 2.0**64),
    (ValueType.BOOLEAN, "true", 1.0),
    (ValueType.BOOLEAN, "false", 0.0),
    (ValueType.BOOLEAN, '{"0":true}', None),
    (ValueType.TIME, '"2026-11-23T10:00:00.250000Z"', 1_795_428_000.25),
    (ValueType.TIME, '"0001-01-01T00:00:00Z"', -62_135_596_800.0),
    (ValueType.TIME, '"9999-12-31T23:59:59Z"', 253_402_300_799.0),
    (ValueType.TIME, '{"0":"2026-11-23T10:00:00Z"}', None),
    (ValueType.STRING, '"21.5"', None),
    (ValueType.OPAQUE, '"00ff"', None),
    (ValueType.OBJLNK, '{"objectId":3,"objectInstanceId":0}', None),
    (ValueType.CORELINK, '"</3>"', None),
]
"""Values as revision 7 stores them, and the number that a reading has of each."""

OLD_CHANGE: Final = (
    "INSERT INTO resource_change (seq, endpoint_id, path, type, value, at) VALUES ($1, 1, $2, $3, $4, $5)"
)
OLD_STATE: Final = "INSERT INTO resource_state (id, endpoint_id, path, type, value, at) VALUES ($1, 1, $2, $3, $4, $5)"


async def test_the_values_of_revision_7_become_readings(empty_database_url: str) -> None:
    await to_revision(7, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in (SERVER, ENDPOINT, "UPDATE ledger_head SET seq = 1000, horizon = 90"):
        await store.execute(sql)
    for number, (type_, value, _) in enumerate(CHANGES):
        row = 100 + 7 * number, f"/3303/0/{number}", type_, value, AT + number
        await store.execute(OLD_CHANGE, *row)
        await store.execute(OLD_STATE, *row)
    await migrate(empty_database_url)
    rows = await store.fetch("SELECT * FROM reading ORDER BY seq")
    assert [row["seq"] for row in rows] == [100 + 7 * number for number in range(len(CHANGES))]
    for number, (row, (type_, value, as_number)) in enumerate(zip(rows, CHANGES, strict=True)):
        assert (row["endpoint_id"], row["path"], row["type"], row["value"]) == (1, f"/3303/0/{number}", type_, value)
        assert row["number"] == as_number, value
        assert (row["at"], row["received_at"], row["report"]) == (AT + number, AT + number, row["seq"])
        assert (row["origin"], row["time_source"]) == (0, 1)
    (head,) = await store.fetch("SELECT seq, horizon, reading_horizon, aggregated FROM ledger_head")
    assert tuple(head) == (1000, 90, 90, 0)
    states = await store.fetch("SELECT value, received_at, origin, time_source FROM resource_state ORDER BY id")
    assert [tuple(state) for state in states] == [(value, None, 0, 1) for _, value, _ in CHANGES]
    await store.close()
    assert await violations(empty_database_url, now=1) == []


async def test_an_interrupted_migration_of_revision_8_is_continued(empty_database_url: str) -> None:
    """The process ended after the copy, before the old table was dropped."""
    if not is_sqlite(empty_database_url):
        pytest.skip("PostgreSQL runs a migration inside of a transaction")
    await to_revision(7, empty_database_url)
    store = open_store(empty_database_url, unsafe=True)
    await store.open()
    for sql in (SERVER, ENDPOINT, "UPDATE ledger_head SET seq = 9"):
        await store.execute(sql)
    await store.execute(OLD_CHANGE, 5, "/3303/0/5700", "FLOAT", "1.5", AT)
    await migrate(empty_database_url)
    await store.execute("DELETE FROM aerich WHERE version LIKE '8%'")
    await store.execute(
        "CREATE TABLE resource_change AS SELECT seq, endpoint_id, path, type, value, at FROM reading WHERE seq = 5"
    )
    assert len(await migrate(empty_database_url)) >= 1
    assert [row["seq"] for row in await store.fetch("SELECT seq FROM reading")] == [5]
    assert await columns_of(store, "resource_change") == {}
    await store.close()


async def test_a_process_of_revision_7_writes_and_prunes_values_beside_new_ones(store: Store) -> None:
    if not store.postgres:
        pytest.skip("on SQLite the versions cannot share a database")
    for sql in (SERVER, ENDPOINT, "UPDATE ledger_head SET seq = 1000"):
        await store.execute(sql)
    for number, (type_, value, _) in enumerate(CHANGES):
        await store.execute(OLD_CHANGE, number + 1, "/3303/0/1", type_, value, AT)
    count = len(CHANGES)
    await store.execute(
        "WITH w0 AS (UPDATE ledger_head SET seq = $1::bigint RETURNING seq), "
        "w1 AS (INSERT INTO resource_change (seq, endpoint_id, path, type, value, at) SELECT * FROM unnest("
        "$2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])) "
        "UPDATE endpoint SET queued = 0",
        2_000,
        [count + 1, count + 2],
        [1, 1],
        ["/3303/0/2", "/3303/0/2"],
        ["FLOAT", "FLOAT"],
        ["2.5", "3.5"],
        [AT, AT + 1],
    )
    await store.execute("DELETE FROM resource_change WHERE seq = $1", 1)
    rows = await store.fetch(
        "SELECT seq, number, stored_at, report, tableoid::regclass AS part FROM reading ORDER BY seq"
    )
    assert [(row["seq"], row["number"]) for row in rows] == list(
        enumerate([*(number for _, _, number in CHANGES), 2.5, 3.5], start=1)
    )
    assert all(row["report"] == row["seq"] and row["stored_at"] > AT for row in rows)
    shown = await store.fetch("SELECT seq, value FROM resource_change WHERE seq > $1 ORDER BY seq", count)
    assert [tuple(row) for row in shown] == [(count + 1, "2.5"), (count + 2, "3.5")]
