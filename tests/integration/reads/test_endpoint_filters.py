"""The filters of endpoints: each selects its rows, in pages by name, and has its index."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from app.domain.enums import HOUR, SECOND, Presence
from app.models.database import reading
from app.models.ledger import Configure, Provision
from app.models.queries import EndpointCriteria, count_endpoints, endpoint_keys, endpoint_matches, endpoint_page
from app.models.queries.access import fetch, on_postgres
from app.models.queries.endpoints import endpoint_statement
from tests.integration.reads.many_rows import execute
from tests.integration.reads.test_indexes import ANALYZED, plan, statistics, used_indexes, whole_tables
from tests.support.ledger import START, LedgerWorld, deregistered, new, registered
from tests.support.servers.databases import Databases

pytestmark = pytest.mark.asyncio

LINKS = [{"url": "/3/0"}, {"url": "/3303/0"}]
ALL = ("a", "b", "c", "d", "e")


async def fleet(world: LedgerWorld) -> None:
    """Make endpoints: a and b tagged, b and c overdue, c and d with object 3303, e never seen and pending, as d is."""
    await world.ingest(registered("a", lifetime_seconds=86_400), registered("b", lifetime_seconds=60))
    await world.ingest(registered("c", lifetime_seconds=60, object_links=LINKS))
    world.pass_(2 * 3_600)
    await world.ingest(registered("d", object_links=LINKS))
    await world.create(new("d"))
    await world.ledgers[0].submit(Configure("a", tags=["site:x", "site:y"]))
    await world.ledgers[0].submit(Configure("b", tags=["site:x"]))
    await world.sweep()
    await world.ledgers[0].submit(Provision("e"))
    await world.create(new("e"))


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "abcde"),
    ({"names": ["e", "a", "unknown"]}, "ae"),
    ({"names": []}, ""),
    ({"tags": ["site:x"]}, "ab"),
    ({"tags": ["site:x", "site:y"]}, "a"),
    ({"tags": ["site:y", "site:x"], "overdue": True}, ""),
    ({"tags": []}, "abcde"),
    ({"tags": ["unknown"]}, ""),
    ({"tags": ["site:x"], "overdue": True}, "b"),
    ({"tags": ["site:x"], "overdue": False}, "a"),
    ({"overdue": True}, "bc"),
    ({"overdue": False}, "ade"),
    ({"object_id": 3303}, "cd"),
    ({"object_id": 3303, "overdue": True}, "c"),
    ({"object_id": 5}, ""),
    ({"last_seen_after": START}, "d"),
    ({"last_seen_after": START - 1}, "abcd"),
    ({"last_seen_before": START + 1}, "abc"),
    ({"last_seen_before": START}, ""),
    ({"last_seen_after": START - HOUR, "last_seen_before": START + HOUR}, "abc"),
    ({"has_pending": True}, "de"),
    ({"has_pending": False}, "abc"),
    ({"has_pending": True, "object_id": 3}, "d"),
    ({"presences": [Presence.ONLINE], "has_pending": True}, "d"),
    ({"presences": [Presence.OFFLINE], "tags": ["site:x"]}, "b"),
    ({"presences": [], "tags": ["site:x"]}, ""),
    ({"name_contains": "b", "tags": ["site:x"]}, "b"),
    ({"names": ["a", "b", "c"], "tags": ["site:x"], "overdue": True, "object_id": 3303}, ""),
]


async def test_each_filter_selects_its_endpoints(world: LedgerWorld) -> None:
    await fleet(world)
    ids = {name: (await world.endpoint(name))["id"] for name in ALL}
    for given, expected in CASES:
        criteria = EndpointCriteria(**given)
        found, after = "", None
        while True:
            page = await endpoint_page(criteria, 1, after)
            found += "".join(view.name for view in page.items)
            if not page.has_next:
                break
            after = page.cursors[-1]
        assert found == expected, given
        assert await count_endpoints(criteria, 100) == len(expected), given
        assert [name for _, name in await endpoint_keys(criteria, 100)] == list(expected), given
        assert [name for name in ALL if await endpoint_matches(criteria, ids[name])] == list(expected), given


async def test_a_registration_replaces_the_objects_and_its_end_removes_them(world: LedgerWorld) -> None:
    await world.ingest(registered("a", object_links=LINKS))
    await world.ingest(registered("a", "r2", 2, object_links=[{"url": "/lwm2m/3303/0"}, {"url": "/5"}]))
    assert [await count_endpoints(EndpointCriteria(object_id=one), 9) for one in (3, 5, 3303)] == [0, 1, 1]
    await world.ingest(deregistered("a", "r2"))
    assert [await count_endpoints(EndpointCriteria(object_id=one), 9) for one in (3, 5, 3303)] == [0, 0, 0]


BY_NAME = {"uq_endpoint_name", "ix_endpoint_name"}
TAGS = {"ix_endpoint_tag_name", "endpoint_tag_pkey", "endpoint_pkey"}
OBJECTS = {"ix_endpoint_object_name", "endpoint_object_pkey", "endpoint_pkey"}
BROUGHT: dict[str, set[str]] = {
    "name_contains": BY_NAME,
    "presences": {"ix_endpoint_presence", *BY_NAME},
    "names": BY_NAME,
    "tags": TAGS,
    "object_id": OBJECTS,
    "last_seen_after": {"ix_endpoint_seen", *BY_NAME},
    "last_seen_before": {"ix_endpoint_seen", *BY_NAME},
    "has_pending": {"ix_endpoint_pending", *BY_NAME},
    "overdue": {"ix_endpoint_overdue", *BY_NAME},
}
GIVEN: dict[str, list[Any]] = {
    "name_contains": [None, "17"],
    "presences": [None, [Presence.ONLINE]],
    "names": [None, ["device-1007", "device-1008"]],
    "tags": [(), ("every",), ("rare", "every")],
    "object_id": [None, 3303],
    "last_seen_after": [None, START],
    "has_pending": [None, True],
    "overdue": [None, True, False],
}

_FACTS = (
    """
    INSERT INTO endpoint (id, server_id, name, presence, told_presence)
    SELECT e.id + 10000 * (1 + f.id), 1, e.name || '-' || f.id, e.presence, 'OFFLINE'
    FROM endpoint e JOIN endpoint f ON f.id < 10
    """,
    "UPDATE endpoint SET overdue = TRUE WHERE id % 7 = 0",
    "UPDATE endpoint SET last_seen_at = {start} + id * {minute}, seen_hour = ({start} + id * {minute}) / {hour}",
    "UPDATE endpoint SET queued = 1 WHERE id % 50 = 0",
    "INSERT INTO endpoint_tag SELECT id, 'every', overdue, name FROM endpoint",
    "INSERT INTO endpoint_tag SELECT id, 'rare', overdue, name FROM endpoint WHERE id % 300 = 0",
    "INSERT INTO endpoint_object SELECT id, 3, name FROM endpoint",
    "INSERT INTO endpoint_object SELECT id, 3303, name FROM endpoint WHERE id % 100 = 0",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def many_endpoints(databases: Databases, many_rows: str) -> str:
    """The template with many endpoints of all facts that are filtered by."""
    url = await databases.make_template("many_endpoints", many_rows)
    await execute(url, *(sql.format(start=START, minute=60 * SECOND, hour=HOUR) for sql in _FACTS))
    return "many_endpoints"


@pytest_asyncio.fixture(loop_scope="session")
async def many_endpoints_url(databases: Databases, many_endpoints: str) -> AsyncIterator[str]:
    async with databases.copy(many_endpoints) as url:
        yield url


def combinations() -> Iterator[dict[str, Any]]:
    """Yield every filter by itself, and every two of them."""
    single = [(name, value) for name, values in GIVEN.items() for value in values if value not in (None, ())]
    yield from (dict([one]) for one in single)
    yield from (dict(pair) for pair in itertools.combinations(single, 2) if pair[0][0] != pair[1][0])


@pytest.mark.parametrize("analyze", ANALYZED)
async def test_every_filter_of_endpoints_has_its_index(many_endpoints_url: str, analyze: bool) -> None:
    await execute(many_endpoints_url, *statistics(analyze))
    async with reading(many_endpoints_url):
        for given in combinations():
            lines = await plan(endpoint_statement(EndpointCriteria(**given), "device-1100", 51))
            whole = whole_tables(lines)
            if {"tags", "object_id"} <= given.keys():  # of two large ones PostgreSQL may hash one
                whole = [line for line in whole if "endpoint_tag" not in line and "endpoint_object" not in line]
            assert not whole, (given, lines)
            admitted: set[str] = set().union(*(BROUGHT[name] for name in given))
            assert used_indexes(lines) <= admitted, (given, lines)
            if len(given) == 1:
                assert used_indexes(lines), (given, lines)


@pytest.mark.parametrize("overdue", [True, False, None])
async def test_a_tags_endpoints_are_read_in_order_and_not_sorted(many_endpoints_url: str, overdue: bool | None) -> None:
    """No page reads more rows than it has, however many endpoints are overdue, or how few."""
    await execute(many_endpoints_url, "ANALYZE")
    async with reading(many_endpoints_url):
        statement = endpoint_statement(EndpointCriteria(tags=("every",), overdue=overdue), "device-1100", 51)
        if on_postgres():
            rows = await fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.sql}", statement.values)
            text = "\n".join(str(row[0]) for row in rows)
            assert "ix_endpoint_tag_name" in text
            assert overdue is None or "Sort" not in text
        else:
            lines = await plan(statement)
            assert "ix_endpoint_tag_name" in used_indexes(lines)
            assert overdue is None or "USE TEMP B-TREE FOR ORDER BY" not in "\n".join(lines)


async def test_the_admitted_indexes_name_every_criterion() -> None:
    assert BROUGHT.keys() == set(EndpointCriteria.__slots__)
