"""Endpoints: pages by name, rows by their keys, the heads of their queues, and their resources."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from app.domain.enums import Presence
from app.domain.object_models import Versions, object_versions
from app.models.cursors import parse_page_cursor, parse_seq_cursor
from app.models.endpoint_index import OBJECTS, TAGS
from app.models.fields import load_json
from app.models.ledger.queues import NOTHING
from app.models.queries.access import MAX_SEQ, Lane, Statement, fetch, on_postgres, reading_through
from app.models.queries.criteria import EndpointCriteria, below, contains
from app.models.queries.pages import COUNT_LIMIT, Page, capped, merged, uncounted
from app.models.queries.views import EndpointView, Large, PresenceChangeView, ResourceStateView, Row, columns

_KIND: Final = "endpoint"
_PRESENCE_KIND: Final = "presence"
PRESENCE_PAGE: Final = f"""
    SELECT {columns(PresenceChangeView, "p")} FROM presence_change p
    WHERE p.endpoint_id = $1 AND p.seq < $2 ORDER BY p.seq DESC LIMIT $3
"""
_NAMED: Final = "e.name = $1 AND e.deleted_at IS NULL"


def _columns(large: Large) -> str:
    return columns(EndpointView, "e", large, postgres=on_postgres())


async def endpoint_page(
    criteria: EndpointCriteria, first: int, after: str | None = None, large: Large = Large.ALL
) -> Page[EndpointView]:
    """Return a page of endpoints by name: one statement, and another one when the total is requested.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of endpoints.
        ReadUnavailable: the database cannot be reached.
    """
    name = "" if after is None else parse_page_cursor(_KIND, after)
    statement = endpoint_statement(criteria, name, first + 1, large)
    with reading_through(_lane(criteria)):
        found = [EndpointView.load(row) for row in await fetch(statement.sql, statement.values)]

    async def total() -> tuple[int, bool]:
        return capped(await count_endpoints(criteria, COUNT_LIMIT + 1))

    return Page.of(_KIND, found, first, lambda e: e.name, continued=after is not None, total=total)


def _lane(criteria: EndpointCriteria) -> Lane:
    return Lane.SMALL if criteria.indexed else Lane.SEARCH


def endpoint_statement(criteria: EndpointCriteria, after: str, limit: int, large: Large = Large.ALL) -> Statement:
    """Return the statement of one page: ``limit`` endpoints whose names come after ``after``."""
    return _page_statement(criteria, _columns(large), after, limit)


async def endpoint_keys(criteria: EndpointCriteria, limit: int, after: str = "") -> list[tuple[int, str]]:
    """Return id and name of the first ``limit`` endpoints that match the criteria and whose names come after ``after``,
    by name.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    statement = _page_statement(criteria, "e.id, e.name", after, limit)
    with reading_through(_lane(criteria)):
        return [(row[0], row[1]) for row in await fetch(statement.sql, statement.values)]


def _page_statement(criteria: EndpointCriteria, selected: str, after: str, limit: int) -> Statement:
    statement = Statement("", [after, limit])
    table, branches = _branches(criteria, statement)
    columns_ = selected.replace("e.name", f"{table}.name AS name")  # the column by which the index is in order
    parts = [f"SELECT {columns_} FROM {branch} AND {table}.name > $1" for branch in branches]
    statement.sql = merged(parts, "name", "$2")
    return statement


def _branches(criteria: EndpointCriteria, statement: Statement) -> tuple[str, list[str]]:
    """Return the alias of the table whose index has the names in order, and disjoint sources with their conditions.

    The first tag, the object or a presence leads to such an index; the other criteria are checked for each of its rows.
    """
    if criteria.names is None and criteria.tags:
        tag, *others = criteria.tags
        overdue = (True, False) if criteria.overdue is None else (criteria.overdue,)
        source = _joined(TAGS, "tag", tag, replace(criteria, tags=others, overdue=None), statement)
        return "t", [f"{source} AND t.overdue = {str(one).lower()}" for one in overdue]
    if criteria.names is None and criteria.object_id is not None:
        others_ = replace(criteria, object_id=None)
        return "t", [_joined(OBJECTS, "object_id", criteria.object_id, others_, statement)]
    wanted = [presence for presence in Presence if presence in (criteria.presences or ())]
    if 0 < len(wanted) < len(Presence) and criteria == EndpointCriteria(criteria.name_contains, criteria.presences):
        where = _where(replace(criteria, presences=None), statement)
        return "e", [f"endpoint e WHERE {where} AND e.presence = '{presence}'" for presence in wanted]
    return "e", [f"endpoint e WHERE {_where(criteria, statement)}"]


def _joined(table: str, column: str, value: object, others: EndpointCriteria, statement: Statement) -> str:
    """Return the endpoints that have a row with this value in a table of ``models/endpoint_index.py``. The name is
    compared in that row, before the endpoint is looked up."""
    source = f"{table} t JOIN endpoint e ON e.id = t.endpoint_id WHERE t.{column} = {statement.add(value)}"
    if others.name_contains:
        source += f" AND {contains('t.name', others.name_contains, statement, postgres=on_postgres())}"
    return f"{source} AND {_where(replace(others, name_contains=None), statement)}"


def _where(criteria: EndpointCriteria, statement: Statement) -> str:
    return " AND ".join(criteria.conditions("e", statement, postgres=on_postgres()))


async def endpoints_after(criteria: EndpointCriteria, name: str, limit: int) -> list[EndpointView]:
    """Return the first ``limit`` endpoints that match and whose names come after ``name``, by name.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    statement = endpoint_statement(criteria, name, limit)
    with reading_through(Lane.SEARCH):
        return [EndpointView.load(row) for row in await fetch(statement.sql, statement.values)]


async def object_versions_of(names: Collection[str]) -> dict[str, dict[int, str]]:
    """Return the objects that these endpoints registered with their versions, by name; endpoints without object links
    are omitted.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    sql = """
        SELECT name, object_links, lwm2m_version FROM endpoint
        WHERE object_links IS NOT NULL AND name = ANY($1::text[]) AND deleted_at IS NULL
    """
    rows = await fetch(sql, [list(names)])
    return {name: object_versions(load_json(links), lwm2m_version) for name, links, lwm2m_version in map(tuple, rows)}


async def online_endpoints(after: int, most: int) -> list[tuple[int, str, Versions]]:
    """Return endpoints that are online, with ids above ``after``, in the order of their ids: id, name, and the objects
    of the registration with their versions."""
    sql = """
        SELECT id, name, object_links, lwm2m_version FROM endpoint
        WHERE id > $1 AND presence = 'ONLINE' ORDER BY id LIMIT $2
    """
    return _with_versions(await fetch(sql, [after, most]))


async def changes_to_online(after: int, most: int) -> list[tuple[int, str, Versions]]:
    """Return changes of presence to online after this position of the log, in its order: position, and the endpoint as
    in :func:`online_endpoints`."""
    sql = """
        SELECT p.seq, e.name, e.object_links, e.lwm2m_version
        FROM presence_change p JOIN endpoint e ON e.id = p.endpoint_id
        WHERE p.seq > $1 AND p.presence = 'ONLINE' ORDER BY p.seq LIMIT $2
    """
    return _with_versions(await fetch(sql, [after, most]))


def _with_versions(rows: Sequence[Row]) -> list[tuple[int, str, Versions]]:
    return [(key, name, object_versions(load_json(links), version)) for key, name, links, version in map(tuple, rows)]


async def registered_objects(ids: Collection[int]) -> dict[int, tuple[str, str | None]]:
    """Return the stored object links of endpoints with their LwM2M versions, by the endpoints' rows' ids; endpoints
    without object links are omitted."""
    sql = (
        "SELECT id, object_links, lwm2m_version FROM endpoint WHERE object_links IS NOT NULL AND id = ANY($1::bigint[])"
    )
    return {id_: (links, version) for id_, links, version in map(tuple, await fetch(sql, [list(ids)]))}


async def count_endpoints(criteria: EndpointCriteria, most: int = MAX_SEQ) -> int:
    """Return the number of endpoints that match the criteria, counted up to ``most``. Raise ReadUnavailable."""
    statement = Statement("", [most])
    branches = " UNION ALL ".join(f"SELECT 1 FROM {branch}" for branch in _branches(criteria, statement)[1])
    statement.sql = f"SELECT count(*) FROM (SELECT 1 FROM ({branches}) b LIMIT $1) c"
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(statement.sql, statement.values)
    return int(count)


async def endpoint_matches(criteria: EndpointCriteria, endpoint_id: int) -> bool:
    """Return whether this endpoint matches the criteria; a deleted one does not. Raise ReadUnavailable."""
    statement = Statement("", [endpoint_id])
    statement.sql = f"SELECT 1 FROM endpoint e WHERE e.id = $1 AND {_where(criteria, statement)}"
    return bool(await fetch(statement.sql, statement.values))


async def endpoint_by_name(name: str, large: Large = Large.ALL) -> EndpointView | None:
    """Return an endpoint by its LwM2M endpoint client name."""
    rows = await fetch(f"SELECT {_columns(large)} FROM endpoint e WHERE {_NAMED} LIMIT 1", [name])
    return EndpointView.load(rows[0]) if rows else None


async def endpoint_by_id(id_: int, large: Large = Large.ALL) -> EndpointView | None:
    """Return an endpoint by its row's id; None for a deleted one."""
    view = (await endpoints_by_id([id_], large)).get(id_)
    return None if view is None or view.deleted_at is not None else view


async def endpoints_by_id(ids: Collection[int], large: Large = Large.ALL) -> dict[int, EndpointView]:
    """Return endpoints by their rows' ids, also deleted ones; unknown ones are omitted."""
    if not ids:
        return {}
    sql = f"SELECT {_columns(large)} FROM endpoint e WHERE e.id = ANY($1::bigint[])"
    return {view.id: view for view in map(EndpointView.load, await fetch(sql, [list(ids)]))}


async def presence_page(endpoint_id: int, first: int, after: str | None = None) -> Page[PresenceChangeView]:
    """Return a page of an endpoint's presence changes, newest first.

    Raises:
        InvalidCursor: ``after`` is no cursor of a list of presence changes.
        ReadUnavailable: the database cannot be reached.
    """
    before = MAX_SEQ if after is None else parse_seq_cursor(_PRESENCE_KIND, after)
    rows = await fetch(PRESENCE_PAGE, [endpoint_id, before, first + 1])
    found = [PresenceChangeView.load(row) for row in rows]
    total = partial(uncounted, len(found))
    return Page.of(_PRESENCE_KIND, found, first, lambda change: change.seq, continued=after is not None, total=total)


async def heads_of(endpoint_ids: Collection[int]) -> dict[int, int]:
    """Return the ``seq`` of the operation that goes next, by endpoint; endpoints without one are omitted."""
    if not endpoint_ids:
        return {}
    sql = f"""
        SELECT e.id, CASE WHEN e.next_operation IS NULL THEN (
            SELECT o.seq FROM operation o WHERE o.endpoint_id = e.id AND o.status = 'QUEUED'
            ORDER BY o.priority DESC, o.seq LIMIT 1
        ) ELSE nullif(e.next_operation, {NOTHING}) END
        FROM endpoint e WHERE e.id = ANY($1::bigint[]) AND e.queued > 0
    """
    rows = await fetch(sql, [list(endpoint_ids)])
    return {id_: head for id_, head in map(tuple, rows) if head is not None}


async def resource_states(
    endpoint_id: int, path_prefix: str | None = None, large: Large = Large.ALL
) -> list[ResourceStateView]:
    """Return the latest known value of every resource of an endpoint, by path (as text); with a prefix, of the
    resources below it."""
    statement = Statement("", [endpoint_id])
    where = "r.endpoint_id = $1"
    if path_prefix is not None:
        where += f" AND ({' OR '.join(below('r.path', path_prefix, statement))})"
    selected = columns(ResourceStateView, "r", large, postgres=on_postgres())
    sql = f"SELECT {selected} FROM resource_state r WHERE {where} ORDER BY r.path"
    return [ResourceStateView.load(row) for row in await fetch(sql, statement.values)]


async def resource_values(endpoint_id: int, paths: Collection[str]) -> dict[str, str]:
    """Return the stored JSON of these resources, by path."""
    sql = "SELECT path, value FROM resource_state WHERE endpoint_id = $1 AND path = ANY($2::text[])"
    return {row[0]: row[1] for row in await fetch(sql, [endpoint_id, list(paths)])}
