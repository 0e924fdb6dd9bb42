"""Write a group's changes back: what differs from the database, in a handful of statements.

PostgreSQL receives many rows as one array per column, in a third of the time that it needs for them one by one.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final, get_args, get_type_hints

from app.domain.enums import Instant, OperationStatus, Presence
from app.models.endpoint_index import object_ids, tags_of
from app.models.ledger.counters import CounterRow
from app.models.ledger.group import Group, Values
from app.models.ledger.observations import end_observing
from app.models.ledger.presence import next_check
from app.models.ledger.queues import next_of, read_queues
from app.models.ledger.readiness import callable_at, ready_at
from app.models.ledger.readings import latest
from app.models.ledger.rows import (
    CHANGING_ENDPOINT,
    CHANGING_ENDPOINT_VALUES,
    ENDPOINT_COLUMNS,
    ENDPOINT_SPANS,
    ENDPOINT_VALUES,
    INDEXED_VALUES,
    NOT_INDEXED,
    SERVER_COLUMNS,
    SERVER_VALUES,
    AuditRow,
    CampaignChangeRow,
    EndpointRow,
    LedgerHead,
    ObjectRow,
    PresenceChange,
    ReadingRow,
    ServerRow,
    TagRow,
    TransitionRow,
)
from app.models.ledger.sequences import stop_sequences
from app.models.ledger.store import Store, Write, Writing
from app.models.operation import CHANGING_COLUMNS, CHANGING_VALUES, OPERATION_COLUMNS, OPERATION_VALUES, Operation

HEAD_ID: Final = 1
_CHANGING: Final = ENDPOINT_COLUMNS[CHANGING_ENDPOINT]
_READY_AT: Final = _CHANGING.index("ready_at")
_AWAKE_UNTIL: Final = _CHANGING.index("awake_until")
_TRANSITION_COLUMNS: Final = tuple(field.name for field in fields(TransitionRow))
_TRANSITION_VALUES: Final = attrgetter(*_TRANSITION_COLUMNS)


def _kinds(row: type[Any]) -> dict[str, str]:
    """Return PostgreSQL's types of a row's columns. An operation's id is a UUID; a resource's is its latest change's
    seq."""
    kinds = {"id": "bigint"}
    for name, hint in get_type_hints(row).items():
        types = {hint, *get_args(hint)}
        kinds[name] = "bool" if bool in types else "float8" if float in types else "bigint" if int in types else "text"
    return kinds | {"id": "uuid"} if row is Operation else kinds


def _arrays(row: type[Any], columns: Iterable[str]) -> str:
    kinds = _kinds(row)
    return ", ".join(f"${number}::{kinds[column]}[]" for number, column in enumerate(columns, start=1))


def insert_into(table: str, row: type[Any], columns: tuple[str, ...], conflict: str = "") -> Write:
    """Return the statement that inserts rows; the types of the columns are those of the fields of ``row``."""
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    marks = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    each, at_once = f"VALUES ({marks})", f"SELECT * FROM unnest({_arrays(row, columns)})"
    return Write(f"{into} {each} {conflict}".rstrip(), f"{into} {at_once} {conflict}".rstrip())


def update_by(table: str, row: type[Any], columns: tuple[str, ...], key: str) -> Write:
    """Return the statement that updates the rows with these keys; the values follow the key."""
    sets = ", ".join(f"{column} = ${number}" for number, column in enumerate(columns, start=2))
    from_arrays = ", ".join(f"{column} = v.{column}" for column in columns)
    rows = f"unnest({_arrays(row, (key, *columns))}) AS v({', '.join((key, *columns))})"
    return Write(
        f"UPDATE {table} SET {sets} WHERE {key} = $1",
        f"UPDATE {table} t SET {from_arrays} FROM {rows} WHERE t.{key} = v.{key}",
    )


def _delete(table: str, row: type[Any], key: tuple[str, ...]) -> Write:
    each = " AND ".join(f"{column} = ${number}" for number, column in enumerate(key, start=1))
    joined = " AND ".join(f"t.{column} = v.{column}" for column in key)
    rows = f"unnest({_arrays(row, key)}) AS v({', '.join(key)})"
    return Write(f"DELETE FROM {table} WHERE {each}", f"DELETE FROM {table} t USING {rows} WHERE {joined}")


def _due(table: str, condition: str) -> Write:
    """Return the statement that sets ``due_at`` of open rows. Its ids are of either table: no other has the same."""
    rows = "unnest($1::bigint[], $2::bigint[]) AS v(id, due_at)"
    return Write(
        f"UPDATE {table} SET due_at = $2 WHERE id = $1 AND {condition}",
        f"UPDATE {table} t SET due_at = v.due_at FROM {rows} WHERE t.id = v.id AND t.{condition}",
    )


_STATE_COLUMNS: Final = (
    "endpoint_id",
    "path",
    "type",
    "value",
    "at",
    "received_at",
    "seq",
    "report",
    "origin",
    "time_source",
)
_UPSERT_STATE: Final = (
    f"INSERT INTO resource_state (id, {', '.join(_STATE_COLUMNS)}) "
    f"SELECT seq, {', '.join(_STATE_COLUMNS)} FROM reading WHERE {{}} "
    "ON CONFLICT (endpoint_id, path) DO UPDATE SET "
    f"{', '.join(f'{column} = excluded.{column}' for column in _STATE_COLUMNS[2:])} "
    "WHERE resource_state.at <= excluded.at"
)
"""Of two values of a resource the one with the greater time remains; with equal times the one that arrived later."""

INSERT_ENDPOINT: Final = insert_into("endpoint", EndpointRow, ENDPOINT_COLUMNS)
UPDATE_ENDPOINT: Final = tuple(update_by("endpoint", EndpointRow, _CHANGING[span], "id") for span in ENDPOINT_SPANS)
"""For each of ``ENDPOINT_SPANS``, the statement that updates its columns."""
INSERT_OPERATION: Final = insert_into("operation", Operation, OPERATION_COLUMNS)
UPDATE_OPERATION: Final = update_by("operation", Operation, CHANGING_COLUMNS, "seq")
INSERT_TRANSITION: Final = insert_into("transition", TransitionRow, _TRANSITION_COLUMNS)
INSERT_AUDIT: Final = insert_into("audit_event", AuditRow, AuditRow._fields)
INSERT_PRESENCE: Final = insert_into("presence_change", PresenceChange, PresenceChange._fields)
INSERT_CAMPAIGN_CHANGE: Final = insert_into("campaign_change", CampaignChangeRow, CampaignChangeRow._fields)
INSERT_READING: Final = insert_into("reading", ReadingRow, ReadingRow._fields)
UPSERT_STATE: Final = Write(
    _UPSERT_STATE.format("seq = $1 AND stored_at = $2"),
    _UPSERT_STATE.format("seq = ANY($1::bigint[]) AND stored_at = ($2::bigint[])[1]"),
)
"""The states are copied from readings that have just been written, all at the same time: to send them again, column by
column, took longer than to find them, which needs the partition's time."""

_SAME_TAG: Final = "ON CONFLICT (endpoint_id, tag) DO UPDATE SET overdue = excluded.overdue"
INSERT_TAG: Final = insert_into("endpoint_tag", TagRow, TagRow._fields, _SAME_TAG)
INSERT_OBJECT: Final = insert_into("endpoint_object", ObjectRow, ObjectRow._fields, "ON CONFLICT DO NOTHING")
"""A process of an earlier version changes the row of an endpoint, and not these rows."""
DELETE_TAG: Final = _delete("endpoint_tag", TagRow, TagRow._fields[:2])
DELETE_OBJECT: Final = _delete("endpoint_object", ObjectRow, ObjectRow._fields[:2])

UPDATES_DUE: Final = _due("firmware_update", "finished_at IS NULL")
TARGETS_DUE: Final = _due("campaign_target", "state = 'RUNNING'")

ADD_TO_COUNTER: Final = insert_into(
    "ledger_counter",
    CounterRow,
    CounterRow._fields,
    "ON CONFLICT (server_id, name) DO UPDATE SET value = ledger_counter.value + excluded.value",
)
UPDATE_SERVER: Final = update_by("leshan_server", ServerRow, SERVER_COLUMNS[1:], "id")
UPDATE_HEAD: Final = update_by("ledger_head", LedgerHead, LedgerHead._fields[1:], "id")


async def flush(group: Group) -> None:
    """Write the changes so far; may be called again after further changes."""
    if group.sequences:
        await write_operations(group)
    if group.observing:
        await end_observing(group)
    for endpoint in group.endpoints.values():
        group.count_presence(endpoint)
        if endpoint.presence is endpoint.told_presence:
            endpoint.announce_at = None
        elif endpoint.announce_at is None or endpoint.presence is not Presence.OFFLINE:  # a deregistration is delayed
            group.publish_presence(endpoint)
    await walk_queues(group)
    for endpoint in group.endpoints.values():
        endpoint.ready_at = next_ready_at(group, endpoint)
        endpoint.presence_check_at = next_check(endpoint, group.now)
        if endpoint.rules_seq < group.server.rules_seq:
            group.rules_due.add(endpoint.id)
        if not group.woken and callable_at(endpoint.ready_at, endpoint.awake_until, group.now):
            known = group.stored.endpoints.get(endpoint.id)
            # the clock decides whether dispatchers could find it before, because the sweeper may be late
            group.woken = known is None or not callable_at(known[_READY_AT], known[_AWAKE_UNTIL], group.now)
    sending = await _write_but_sending(group)
    await _write_index_rows(group)
    if group.readings:
        await group.store.insert_readings(INSERT_READING, ReadingRow._fields, group.readings, group.now)
    log = (*_log_entries(group), *_audits(group), *_fleet_due(group))
    await group.store.execute_together([sending, *_changed_endpoints(group), *log, *_heads(group)])


async def write_operations(group: Group) -> None:
    """Write the rows from which queues are read: operations, the endpoints that they need, and pauses.

    A claim checks the loaded endpoints before it reads others from the database, so that an endpoint whose call ended
    and whose next one begins in the same group is written once.
    """
    await _write_all_operations(group)
    if group.sequences:
        await stop_sequences(group)
        await _write_all_operations(group)


async def _write_all_operations(group: Group) -> None:
    write, rows = await _write_but_sending(group)
    if rows:
        await group.store.execute_many(write.each, rows, write.at_once)


async def walk_queues(group: Group) -> None:
    """Find the next operation of callable endpoints whose queue is not always sent from its head."""
    walked = {
        endpoint.id: endpoint
        for endpoint in group.endpoints.values()
        if endpoint.next_operation is not None and endpoint.id not in group.next and ready_at(endpoint) is not None
    }
    if not walked:
        return
    await write_operations(group)
    for id_, queue in (await read_queues(group.store, walked, group.now)).items():
        endpoint = walked[id_]
        group.next[id_] = found = next_of(queue, endpoint.wake_seq, group.now)
        endpoint.next_operation = found.operation if found.waiting else None


def next_ready_at(group: Group, endpoint: EndpointRow) -> Instant | None:
    """Return the earliest time at which the endpoint may be claimed, with operations that wait for their retry, their
    ``notBefore`` or their sequence: call :func:`walk_queues` before."""
    earliest = ready_at(endpoint)
    if endpoint.next_operation is None or earliest is None:
        return earliest
    due = group.next[endpoint.id].at
    return None if due is None else max(earliest, due)


async def _write_but_sending(group: Group) -> Writing:
    """Write new endpoints, operations and statements, but for operations that become SENDING, and return those: because
    the partial unique index checks each row, an endpoint's old SENDING row must leave before its new one arrives."""
    store, stored = group.store, group.stored
    created: list[Values] = []
    for endpoint in group.endpoints.values():
        if endpoint.id not in stored.endpoints:
            created.append(ENDPOINT_VALUES(endpoint))
            stored.endpoints[endpoint.id] = CHANGING_ENDPOINT_VALUES(endpoint)
    if created:
        await store.execute_many(INSERT_ENDPOINT.each, created, INSERT_ENDPOINT.at_once)
    new: list[Values] = []
    left: list[Values] = []
    sending: list[Values] = []
    for operation in group.operations.values():
        values, before = CHANGING_VALUES(operation), stored.operations.get(operation.seq)
        stored.operations[operation.seq] = values
        if before is None:
            new.append(OPERATION_VALUES(operation))
        elif before != values:
            changed = sending if operation.status is OperationStatus.SENDING else left
            changed.append((operation.seq, *values))
    pending: list[Writing] = [(INSERT_OPERATION, new), (UPDATE_OPERATION, left)]
    for statement, given in groupby(group.statements, key=itemgetter(0)):
        rows = [row for _, many in given for row in many]
        if isinstance(statement, str) or any(write is statement for write, _ in pending):
            await _write_together(store, pending)
            pending = []
        if isinstance(statement, str):
            await store.execute_many(statement, rows)
        else:
            pending.append((statement, rows))
    await _write_together(store, pending)
    group.statements.clear()
    return UPDATE_OPERATION, sending


async def _write_together(store: Store, writings: Iterable[Writing]) -> None:
    """Execute writings to different rows: in one statement if there are several, which saves round trips."""
    match [(write, rows) for write, rows in writings if rows]:
        case []:
            pass
        case [(write, rows)]:
            await store.execute_many(write.each, rows, write.at_once)
        case several:
            await store.execute_together(several)


async def _write_index_rows(group: Group) -> None:
    """Write the rows by which endpoints are found by tag and by object, where they differ from the endpoints'."""
    removed: dict[Write, list[Values]] = {DELETE_TAG: [], DELETE_OBJECT: []}
    added: dict[Write, list[Values]] = {INSERT_TAG: [], INSERT_OBJECT: []}
    for endpoint in group.endpoints.values():
        before, now = group.stored.indexed.get(endpoint.id, NOT_INDEXED), INDEXED_VALUES(endpoint)
        if before == now:
            continue
        group.stored.indexed[endpoint.id] = now
        old_tags, new_tags = _tag_rows(endpoint, *before[:2]), _tag_rows(endpoint, *now[:2])
        removed[DELETE_TAG] += [row[:2] for row in old_tags - new_tags]
        added[INSERT_TAG] += new_tags - old_tags
        if before[2] != now[2]:
            old, new = object_ids(before[2]), object_ids(now[2])
            removed[DELETE_OBJECT] += [(endpoint.id, object_id) for object_id in old - new]
            added[INSERT_OBJECT] += [ObjectRow(endpoint.id, object_id, endpoint.name) for object_id in new - old]
    for write, rows in (*removed.items(), *added.items()):
        if rows:
            await group.store.execute_many(write.each, rows, write.at_once)


def _tag_rows(endpoint: EndpointRow, tags: str | None, overdue: bool) -> set[TagRow]:
    return {TagRow(endpoint.id, tag, overdue, endpoint.name) for tag in tags_of(tags)}


def _changed_endpoints(group: Group) -> Iterator[Writing]:
    """Yield each row in one writing at most: of two updates in the same statement only one would take effect."""
    stored = group.stored.endpoints
    changed: list[list[Values]] = [[] for _ in ENDPOINT_SPANS]
    for endpoint in group.endpoints.values():
        before, now = stored[endpoint.id], CHANGING_ENDPOINT_VALUES(endpoint)
        if before != now:
            stored[endpoint.id] = now
            number, span = span_of_changes(before, now)
            changed[number].append((endpoint.id, *now[span]))
    yield from zip(UPDATE_ENDPOINT, changed, strict=True)


def span_of_changes(before: Values, now: Values) -> tuple[int, slice]:
    """Return the first of ``ENDPOINT_SPANS`` outside of which nothing has changed, and its number."""
    for number, span in enumerate(ENDPOINT_SPANS):
        if before[: span.start] == now[: span.start] and before[span.stop :] == now[span.stop :]:
            return number, span
    raise AssertionError("the last span has all columns")


def _log_entries(group: Group) -> Iterator[Writing]:
    """Yield the log's new rows, and the states of the resources that they are about."""
    if not (group.transitions or group.presence_changes or group.campaign_changes or group.readings):
        return
    group.logged = True
    yield INSERT_TRANSITION, [_TRANSITION_VALUES(transition) for transition in group.transitions]
    yield INSERT_PRESENCE, group.presence_changes
    yield INSERT_CAMPAIGN_CHANGE, group.campaign_changes
    yield UPSERT_STATE, [(reading.seq, reading.stored_at) for reading in latest(group.readings)]
    group.transitions, group.presence_changes, group.campaign_changes, group.readings = [], [], [], []


def _audits(group: Group) -> Iterator[Writing]:
    """Yield the new events of the audit."""
    yield INSERT_AUDIT, group.audits
    group.audits = []


def _fleet_due(group: Group) -> Iterator[Writing]:
    """Yield when firmware updates and targets of campaigns with news are due: now."""
    if group.fleet_due:
        due = [(id_, group.now) for id_ in group.fleet_due]
        yield UPDATES_DUE, due
        yield TARGETS_DUE, due
        group.fleet_due.clear()
        group.fleet_woken = True


def _heads(group: Group) -> Iterator[Writing]:
    """Yield the counters, the Leshan server and the log's head, if they have changed."""
    yield ADD_TO_COUNTER, [CounterRow(group.server.id, name, by) for name, by in group.counters.items() if by]
    group.counters.clear()
    stored, server, head = group.stored, SERVER_VALUES(group.server), (group.seq, group.horizon)
    if server != stored.server:
        stored.server = server
        yield UPDATE_SERVER, [server]
    if head != stored.head:
        stored.head = head
        yield UPDATE_HEAD, [LedgerHead(HEAD_ID, *head)]
