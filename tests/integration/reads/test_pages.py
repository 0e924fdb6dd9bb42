"""Pages: the rows that the criteria select, newest first, at any depth, despite inserts; in a constant number of
statements."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.enums import OperationKind, OperationStatus, Presence, ValueType
from app.domain.object_models import ObjectModel, model_to_json
from app.domain.values import TypedValue
from app.models import queries
from app.models.cursors import InvalidCursor, log_cursor, page_cursor, parse_log_cursor
from app.models.fields import load_json
from app.models.ledger import Cancel, DecodedEvent, StoredModel, StoreObjectModels, TypedSample
from app.models.object_models import ObjectModelCache
from app.models.operation import Operation
from app.models.queries import EndpointCriteria, OperationCriteria, Page
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, deregistered, new, registered

S, K = OperationStatus, OperationKind
PATHS = ("/3/0/1", "/3", "/30/0/1", "/3303/0/5700", "/3/0/10", "/5/0/1")


async def everything(ask: Callable[[str | None], Any]) -> list[Any]:
    """Return all rows of a list, page by page."""
    items: list[Any] = []
    after: str | None = None
    while True:
        page: Page[Any] = await ask(after)
        assert page.has_previous is (after is not None)
        items += page.items
        if not page.has_next:
            return items
        after = page.cursors[-1]


async def busy(world: LedgerWorld) -> list[int]:
    """Create sixty operations of four endpoints, in all statuses that tests can reach quickly; return their ``seq``."""
    await world.ingest(*(registered(f"d{n}") for n in range(4)))
    seqs: list[int] = []
    for n in range(60):
        world.pass_(1)
        kind = (K.READ, K.WRITE, K.OBSERVE)[n % 3]
        seqs += await world.create(new(f"d{n % 4}", kind, PATHS[n % len(PATHS)]))
    for n in range(5):
        for claimed in await world.claim():
            await world.settle(claimed, SUCCESS if n % 2 else REFUSED)
    await world.claim(2)
    for operation in (await queries.operations_by_seq(seqs[-4:])).values():
        if operation.status is S.QUEUED:
            await world.ledgers[0].submit(Cancel(operation.id))
    return seqs


def admits(criteria: OperationCriteria, operation: Operation, names: dict[int, str]) -> bool:
    """Return whether the criteria select the operation, evaluated in Python."""
    prefix, path = criteria.path_prefix, operation.path or ""
    return (
        (criteria.endpoint is None or names[operation.endpoint_id] == criteria.endpoint)
        and (criteria.statuses is None or operation.status in criteria.statuses)
        and (criteria.kinds is None or operation.kind in criteria.kinds)
        and (prefix is None or path == prefix or path.startswith(prefix + "/"))
        and (criteria.created_after is None or operation.created_at > criteria.created_after)
        and (criteria.created_before is None or operation.created_at < criteria.created_before)
    )


CRITERIA = ("endpoint", "statuses", "kinds", "path_prefix", "created_after", "created_before")


@pytest.mark.asyncio
async def test_every_combination_of_filters_selects_its_rows(world: LedgerWorld) -> None:
    seqs = await busy(world)
    known = await queries.operations_by_seq(seqs)
    names = {e.id: e.name for e in (await queries.endpoints_by_id({o.endpoint_id for o in known.values()})).values()}
    middle = known[seqs[30]].created_at
    for values in itertools.product(
        (None, "d1", "nobody"),
        (None, [], [S.CONFIRMED], [S.CANCELED, S.FAILED, S.QUEUED], list(S)),
        (None, [K.READ], {K.READ, K.OBSERVE}),
        (None, "/3", "/3/0/1", "/9"),
        (None, middle),
        (None, middle + 5_000_000),
    ):
        criteria = OperationCriteria(**dict(zip(CRITERIA, values, strict=True)))  # type: ignore[arg-type]
        expected = [s for s in reversed(seqs) if admits(criteria, known[s], names)]
        found = await everything(lambda after, c=criteria: queries.operation_page(c, 7, after))  # type: ignore[misc]
        assert [operation.seq for operation in found] == expected, criteria
        assert await (await queries.operation_page(criteria, 1)).total() == (len(expected), False), criteria


@pytest.mark.asyncio
async def test_pages_neither_skip_nor_repeat_under_inserts(world: LedgerWorld) -> None:
    seqs = await busy(world)

    async def page_and_insert(after: str | None) -> Page[Operation]:
        await world.create(new("d0"), new("d1"))
        return await queries.operation_page(OperationCriteria(statuses=[*S][:5]), 4, after)

    found = [operation.seq for operation in await everything(page_and_insert)]
    assert len(set(found)) == len(found)
    assert [seq for seq in found if seq <= seqs[-1]] == list(reversed(seqs))


@pytest.mark.asyncio
async def test_totals_stop_at_ten_thousand(world: LedgerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await busy(world)
    for module in (queries.pages, queries.operations, queries.endpoints):
        monkeypatch.setattr(module, "COUNT_LIMIT", 5)
    for criteria in (OperationCriteria(), OperationCriteria(kinds=[K.READ])):
        assert await (await queries.operation_page(criteria, 1)).total() == (5, True)
    assert await (await queries.endpoint_page(EndpointCriteria(), 1)).total() == (4, False)


@pytest.mark.asyncio
async def test_endpoints_by_name(world: LedgerWorld) -> None:
    names = ["Zoo", "a%b", "a_b", "ab", "äb", "urn:imei:1", "urn:imei:2"]
    await world.ingest(*(registered(name) for name in names))
    await world.ingest(deregistered("ab"))
    ordered = sorted(names, key=str.encode)
    asked = EndpointCriteria()
    found = await everything(lambda after: queries.endpoint_page(asked, 2, after))
    assert [endpoint.name for endpoint in found] == ordered
    for part, presences, expected in (
        ("%", None, ["a%b"]),
        ("_", None, ["a_b"]),
        ("b", [Presence.ONLINE], ["a%b", "a_b", "äb"]),
        ("b", [Presence.ONLINE, Presence.OFFLINE], ["a%b", "a_b", "ab", "äb"]),
        (None, [Presence.OFFLINE], ["ab"]),
        (None, [], []),
        ("imei", [*Presence], ["urn:imei:1", "urn:imei:2"]),
    ):
        criteria = EndpointCriteria(part, presences)
        found = await everything(lambda after, c=criteria: queries.endpoint_page(c, 2, after))  # type: ignore[misc]
        assert [endpoint.name for endpoint in found] == expected
        assert await (await queries.endpoint_page(criteria, 1)).total() == (len(expected), False)


@pytest.mark.asyncio
async def test_rows_by_their_keys(world: LedgerWorld) -> None:
    await world.ingest(registered("d", lwm2m_version="1.1", object_links=[{"url": "/3/0"}]))
    (seq,) = await world.create(new("d", idempotency_key="k", created_by="me"))
    operation = (await queries.operations_by_seq([seq, -1]))[seq]
    request = operation.request("d")
    assert (operation.kind, operation.status, request.paths, request.value) == (K.WRITE, S.QUEUED, ("/5/0/1",), "x")
    assert (operation.repeatable, operation.superseded, operation.created_by) == (True, False, "me")
    assert await queries.operation_by_id(operation.id.upper()) == operation
    assert await queries.operation_by_id("not a UUID") is None
    endpoint = await queries.endpoint_by_name("d")
    assert endpoint is not None
    assert endpoint == await queries.endpoint_by_id(operation.endpoint_id)
    assert (endpoint.presence, endpoint.queue_mode, endpoint.pending) == (Presence.ONLINE, True, 1)
    assert load_json(endpoint.object_links_json) == [{"url": "/3/0"}]
    assert await queries.endpoint_by_name("e") is None
    assert await queries.operation_counts("d") == {**dict.fromkeys(S, 0), S.QUEUED: 1}
    assert await queries.operation_counts("e") == dict.fromkeys(S, 0)
    assert await queries.operation_counts() == (await queries.server_view()).counts


@pytest.mark.asyncio
async def test_the_head_of_a_queue_is_the_one_that_is_claimed(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d"), new("d", priority=5), new("d", priority=5))
    endpoint = await queries.endpoint_by_name("d")
    assert endpoint is not None
    heads = await queries.heads_of([endpoint.id])
    assert heads == {endpoint.id: (await world.claim_one()).seq}


@pytest.mark.asyncio
async def test_transitions_of_an_operation(world: LedgerWorld) -> None:
    await world.ingest(registered("d"))
    (seq,) = await world.create(new("d"))
    await world.attempt(SUCCESS)
    found = await everything(lambda after: queries.transition_page(seq, 2, after))
    assert [(step.number, step.to_status) for step in found] == [(1, S.QUEUED), (2, S.SENDING), (3, S.CONFIRMED)]
    operation = (await queries.operations_by_seq([seq]))[seq]
    assert (await queries.transitions_by_seq([operation.last_seq]))[operation.last_seq] == found[-1]
    assert await (await queries.transition_page(seq, 1)).total() == (3, False)
    assert operation.last_seq <= await queries.log_position()


@pytest.mark.asyncio
async def test_resources_and_models(world: LedgerWorld) -> None:
    values = {path: TypedValue(ValueType.INTEGER, "7") for path in ("/3/0/9", "/30/0/1", "/3303/0/5700", "/3/0/13")}
    await world.ingest(DecodedEvent(registered("d"), samples=[TypedSample(values)]))
    endpoint = await queries.endpoint_by_name("d")
    assert endpoint is not None
    states = await queries.resource_states(endpoint.id)
    assert [state.path for state in states] == sorted(values)
    assert {(state.type, state.value) for state in states} == {(ValueType.INTEGER, "7")}
    assert [state.path for state in await queries.resource_states(endpoint.id, "/3")] == ["/3/0/13", "/3/0/9"]
    device, other = (
        ObjectModel(id_, "1.1", name, multiple=False, resources={}) for id_, name in ((3, "Device"), (9, "Software"))
    )
    await world.ledgers[0].submit(
        StoreObjectModels([StoredModel(one.id, one.version, model_to_json(one)) for one in (device, other)])
    )
    assert await ObjectModelCache(1).exact({3: "1.1", 4: "1.2", 9: "1.0"}) == {3: device}


@pytest.mark.asyncio
async def test_the_clock_is_the_ledgers(world: LedgerWorld) -> None:
    first = await queries.database_now()
    server = await queries.server_view()
    assert first <= server.now <= await queries.database_now()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text", ["", "x", "é", "bG9n", page_cursor("operation", "-1"), page_cursor("endpoint", 1), "=="]
)
async def test_a_cursor_of_another_list_is_refused(world: LedgerWorld, text: str) -> None:
    with pytest.raises(InvalidCursor):
        await queries.operation_page(OperationCriteria(), 1, text)
    with pytest.raises(InvalidCursor):
        parse_log_cursor(text)


def test_cursors_are_decoded_as_they_were_encoded() -> None:
    assert parse_log_cursor(log_cursor(2**63 - 1)) == 2**63 - 1
    with pytest.raises(InvalidCursor):
        parse_log_cursor(log_cursor(2**63))
