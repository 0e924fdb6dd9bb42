"""Shared subscriptions: which requests may share, and the end of a socket that does not take its responses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.models.cursors import log_cursor
from app.schema.execution.schema import schema
from app.schema.limits import MAX_QUEUED, MAX_RESPONSE
from app.schema.transport.fanout import Ended, Fanout, SharedSubscriber, SubscribeRequest
from app.schema.trusted_documents import DocumentPolicy

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITH_VARIABLE = "subscription($after: String) { operationTransitions(after: $after) { cursor } }"


async def shareable(query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> bool:
    services: Any = SimpleNamespace(document_policy=DocumentPolicy())
    return await Fanout(schema, services).shareable(SubscribeRequest(query, variables, name))


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("subscription { operationTransitions { cursor } }", None),
        ("subscription { operationTransitions(after: null) { cursor } }", {}),
        (WITH_VARIABLE, None),
        (WITH_VARIABLE, {"after": None}),
    ],
)
async def test_a_subscription_that_begins_now_is_shared(query: str, variables: dict[str, Any] | None) -> None:
    assert await shareable(query, variables)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ transitionCursor }", None),
        ('subscription { operationTransitions(after: "x") { cursor } }', None),
        (WITH_VARIABLE, {"after": "x"}),
        (WITH_VARIABLE.replace("String", 'String = "x"'), None),
        ("subscription { ...F } fragment F on Subscription { operationTransitions { cursor } }", None),
        ("subscription { nonsense }", None),
        ("subscription {", None),
    ],
)
async def test_a_subscription_with_a_past_or_an_invalid_one_is_not_shared(
    query: str, variables: dict[str, Any] | None
) -> None:
    assert not await shareable(query, variables)


async def test_of_several_operations_the_named_one_counts() -> None:
    both = "query A { transitionCursor } subscription B { endpointPresence { cursor } }"
    assert await shareable(both, name="B")
    assert not await shareable(both, name="A")
    assert not await shareable(both)
    assert not await shareable(both, name="C")


async def test_a_socket_that_reads_nothing_is_closed_with_its_cursor() -> None:
    member = SharedSubscriber()
    for seq in range(10, 10 + MAX_QUEUED + 5):
        member.put(str(seq), seq)
    end = await member.take()
    assert isinstance(end, Ended)
    assert end.errors is not None
    assert end.errors[0]["extensions"] == {"code": "LAGGED", "cursor": log_cursor(9)}


async def test_the_bytes_that_wait_for_a_socket_are_bounded() -> None:
    member = SharedSubscriber()
    large = "x" * (MAX_RESPONSE // 2)
    for seq in (10, 11):
        member.put(large, seq)
    assert [await member.take(), await member.take()] == [large, large]
    member.put(large * 3, 12)  # a response that waits alone is always sent
    assert await member.take() == large * 3
    for seq in (13, 14, 15):
        member.put(large, seq)
    end = await member.take()
    assert isinstance(end, Ended)
    assert end.errors is not None
    assert end.errors[0]["extensions"] == {"code": "LAGGED", "cursor": log_cursor(12)}


async def test_messages_before_the_end_are_delivered_first() -> None:
    member = SharedSubscriber()
    member.put("1", 1)
    member.put(Ended(), 0)
    member.put("2", 2)
    assert [await member.take(), await member.take()] == ["1", Ended()]
