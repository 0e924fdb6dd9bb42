"""Endpoints: pages by name, rows by their keys, the heads of their queues, and their resources."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from app.domain.enums import Presence
from app.domain.object_models import object_versions
from app.models.cursors import parse_page_cursor
from app.models.fields import load_json
from app.models.ledger.queues import NOTHING
from app.models.queries.criteria import EndpointCriteria, below, contains
from app.models.queries.pages import COUNT_LIMIT, Page, capped, merged
from app.models.queries.reading import Lane, Statement, fetch, on_postgres, reading_through
from app.models.queries.views import EndpointView, Large, ResourceStateView, columns

_KIND: Final = "endpoint"


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
    with reading_through(Lane.SEARCH if criteria.name_contains else Lane.SMALL):
        found = [EndpointView.load(row) for row in await fetch(statement.sql, statement.values)]

    async def total() -> tuple[int, bool]:
        return await count_endpoints(criteria)

    return Page.of(_KIND, found, first, lambda e: e.name, continued=after is not None, total=total)


def endpoint_statement(criteria: EndpointCriteria, after: str, limit: int, large: Large = Large.ALL) -> Statement:
    """Return the statement of one page: ``limit`` endpoints whose names come after ``after``."""
    statement = Statement("", [after, limit])
    branches = [f"{branch} AND e.name > $1" for branch in _branches(criteria, statement, _columns(large))]
    order = "e.name" if len(branches) == 1 else "name"
    statement.sql = merged(branches, order, "$2")
    return statement


def _branches(criteria: EndpointCriteria, statement: Statement, selected: str) -> list[str]:
    part = criteria.name_contains
    named = "TRUE" if not part else contains("e.name", part, statement)
    select = f"SELECT {selected} FROM endpoint e WHERE {named}"  # noqa: S608
    if criteria.presences is None or set(criteria.presences) == set(Presence):
        return [select]
    return [f"{select} AND e.presence = '{presence}'" for presence in Presence if presence in criteria.presences] or [
        f"{select} AND FALSE"
    ]


async def endpoints_after(criteria: EndpointCriteria, name: str, limit: int) -> list[EndpointView]:
    """Return the first ``limit`` endpoints that match and whose names come after ``name``, by name.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    statement = endpoint_statement(criteria, name, limit)
    with reading_through(Lane.SEARCH):
        return [EndpointView.load(row) for row in await fetch(statement.sql, statement.values)]


async def exact_endpoint_count(criteria: EndpointCriteria) -> int:
    """Return the number of endpoints that match, counted to the end. Raise as :func:`endpoints_after` does."""
    statement = Statement("", [])
    branches = " UNION ALL ".join(_branches(criteria, statement, "1"))
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(f"SELECT count(*) FROM ({branches}) b", statement.values)  # noqa: S608
    return int(count)


async def object_versions_of(names: Collection[str]) -> dict[str, dict[int, str]]:
    """Return the objects that these endpoints registered with their versions, by name; endpoints without object links
    are omitted.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    sql = """
        SELECT name, object_links, lwm2m_version FROM endpoint
        WHERE object_links IS NOT NULL AND name = ANY($1::text[])
    """
    rows = await fetch(sql, [list(names)])
    return {name: object_versions(load_json(links), lwm2m_version) for name, links, lwm2m_version in map(tuple, rows)}


async def registered_objects(ids: Collection[int]) -> dict[int, tuple[str, str | None]]:
    """Return the stored object links of endpoints with their LwM2M versions, by the endpoints' rows' ids; endpoints
    without object links are omitted."""
    sql = (
        "SELECT id, object_links, lwm2m_version FROM endpoint WHERE object_links IS NOT NULL AND id = ANY($1::bigint[])"
    )
    return {id_: (links, version) for id_, links, version in map(tuple, await fetch(sql, [list(ids)]))}


async def count_endpoints(criteria: EndpointCriteria) -> tuple[int, bool]:
    """Return the number of endpoints, counted up to 10,000."""
    statement = Statement("", [COUNT_LIMIT + 1])
    branches = " UNION ALL ".join(_branches(criteria, statement, "1"))
    sql = f"SELECT count(*) FROM (SELECT 1 FROM ({branches}) b LIMIT $1) c"  # noqa: S608
    with reading_through(Lane.SEARCH):
        ((count,),) = await fetch(sql, statement.values)
    return capped(count)


async def endpoint_by_name(name: str, large: Large = Large.ALL) -> EndpointView | None:
    """Return an endpoint by its LwM2M endpoint client name."""
    rows = await fetch(f"SELECT {_columns(large)} FROM endpoint e WHERE e.name = $1 LIMIT 1", [name])  # noqa: S608
    return EndpointView.load(rows[0]) if rows else None


async def endpoint_by_id(id_: int, large: Large = Large.ALL) -> EndpointView | None:
    """Return an endpoint by its row's id."""
    return (await endpoints_by_id([id_], large)).get(id_)


async def endpoints_by_id(ids: Collection[int], large: Large = Large.ALL) -> dict[int, EndpointView]:
    """Return endpoints by their rows' ids; unknown ones are omitted."""
    if not ids:
        return {}
    sql = f"SELECT {_columns(large)} FROM endpoint e WHERE e.id = ANY($1::bigint[])"  # noqa: S608
    return {view.id: view for view in map(EndpointView.load, await fetch(sql, [list(ids)]))}


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
    """  # noqa: S608
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
    sql = f"SELECT {selected} FROM resource_state r WHERE {where} ORDER BY r.path"  # noqa: S608
    return [ResourceStateView.load(row) for row in await fetch(sql, statement.values)]


async def resource_values(endpoint_id: int, paths: Collection[str]) -> dict[str, str]:
    """Return the stored JSON of these resources, by path."""
    sql = "SELECT path, value FROM resource_state WHERE endpoint_id = $1 AND path = ANY($2::text[])"
    return {row[0]: row[1] for row in await fetch(sql, [endpoint_id, list(paths)])}
