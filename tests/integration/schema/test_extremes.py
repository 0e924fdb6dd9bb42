"""No stored value fails on output: every field is read with the extremes that its column can store, and further
values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Final

import orjson
import pytest
from tortoise import fields
from tortoise.models import Model

from app.domain.enums import OperationKind, ValueType
from app.domain.events import Reported
from app.domain.values import TypedValue
from app.leshan.events import registration_of
from app.models import tables
from app.models.fields import dump_json
from app.models.ledger import DecodedEvent, PauseDispatch, Scope, TypedSample
from app.models.table_fields import InstantField
from tests.support.api import Api
from tests.support.ledger import REFUSED, LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio(loop_scope="session")

HIGHEST: Final = 2**63 - 1
LOWEST: Final = -(2**63)
INT: Final = (-(2**31), 2**31 - 1)
COUNTERS: Final = ("queued", "sending", "confirmed", "failed", "canceled", "expired")

EVERYTHING: Final = """
  {
    endpoints { totalCount edges { cursor node {
      id name presence awakeUntil awakeWindowSeconds lastSeenAt pendingOperations
      registration {
        registrationId registeredAt lastUpdateAt lifetimeSeconds lwm2mVersion bindingMode queueMode address objectLinks
      }
      resources { path type value at observed }
    } } }
    deviceOperations { edges { node {
      id kind path paths valueType value values arguments attributes status version delivery attempts maxAttempts
      priority timeoutSeconds createdAt lastAttemptAt finishedAt expiresAt reason detail deviceStatus answer
      waitingFor createdBy batch idempotencyKey lastTransition { cursor number attempt at detail }
      transitions { edges { node { number at } } }
    } } }
    operationCounts { status count }
    deviceOperationCount
    operationStatistics { from to counts { count } wakeToConfirmed { operations p99Ms } buckets { from ended } }
    dispatchPauses(past: true) { reason pausedAt resumedAt }
    dispatchStatus {
      at openCalls heldByLeshan lateLeases logBehind waiting { endpoints operations } pauses { pausedAt }
      leshanServer { dispatcherSeenAt breakerOpenedAt nextProbeAt bridgeHeldUntil streamOpenSince }
    }
  }
"""


async def fill(world: LedgerWorld) -> None:
    """Store one row of every displayed kind."""
    await world.ingest(registered("d", object_links=[{"url": "/3/0", "attributes": {}}]))
    await world.create(new("d"), new("d", OperationKind.READ, "/3/0/0"))
    await world.attempt(REFUSED)
    reading = TypedSample({"/3303/0/5700": TypedValue(ValueType.FLOAT, 20.5)})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=(reading,)))
    await world.ledgers[0].submit(PauseDispatch(Scope(), "olga", "why"))


def bounds_of(field: Any) -> tuple[int, int]:
    """Return the column's bounds on PostgreSQL; SQLite has no smaller integers."""
    return (LOWEST, HIGHEST) if isinstance(field, fields.BigIntField) else INT


COMPUTED: Final = {"presence_due_at", "ready_until"}
"""Columns that the database computes from others."""


def shown(model: type[Model]) -> dict[str, Any]:
    """Return the columns of a time or a 64-bit number that are not keys."""
    keys = {"id", "seq", "last_seq", "lease_operation", "lease_wake_seq", "wake_seq", "retry_of"}
    columns = model._meta.fields_map.items()
    return {
        name: field
        for name, field in columns
        if isinstance(field, fields.BigIntField) and name not in keys | COMPUTED and not name.endswith("_id")
    }


async def store(world: LedgerWorld, model: type[Model], name: str, value: Any) -> None:
    guard = f"{name} IS NOT NULL" if not isinstance(value, str) else "TRUE"
    await world.reader.execute(f"UPDATE {model._meta.db_table} SET {name} = $1 WHERE {guard}", value)  # noqa: S608


MODELS: Final = (
    tables.LeshanServer,
    tables.Endpoint,
    tables.DispatchPause,
    tables.Operation,
    tables.Transition,
    tables.ResourceState,
)


@pytest.mark.parametrize("highest", [True, False])
async def test_every_time_and_number_can_be_shown(world: LedgerWorld, api: Api, highest: bool) -> None:
    await fill(world)
    await api.ask(EVERYTHING)
    for model in MODELS:
        for name, field in shown(model).items():
            counter = name in COUNTERS
            await store(world, model, name, bounds_of(field)[1] if highest else 0 if counter else bounds_of(field)[0])
    told = await api.ask(EVERYTHING)
    (edge,) = told["endpoints"]["edges"]
    assert edge["node"]["registration"]["lifetimeSeconds"] == INT[1 if highest else 0]
    assert len(told["deviceOperations"]["edges"]) == 2
    times = [text for text in walk(told) if isinstance(text, str) and text.endswith("Z")]
    assert len(times) > 10
    for text in times:
        for hours in (-12, 14):
            datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=hours)))


def walk(value: Any) -> list[Any]:
    """Return every leaf of a response."""
    if isinstance(value, dict):
        return [leaf for command in value.values() for leaf in walk(command)]
    if isinstance(value, list):
        return [leaf for command in value for leaf in walk(command)]
    return [value]


@pytest.mark.parametrize(
    "value",
    [
        2**64 - 1,
        -(2**63),
        1.7976931348623157e308,
        5e-324,
        float("nan"),
        float("inf"),
        "\u0001\u001b\u007f\u2028\ufffe\U0010ffff",
        "x" * 65_536,
        {str(number): number for number in range(2_000)},
        [[[[[[[[]]]]]]]],
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_every_json_that_can_be_stored_can_be_shown(world: LedgerWorld, api: Api, value: Any) -> None:
    await fill(world)
    text = dump_json(value)
    assert text is not None
    for model, names in ((tables.Operation, ("value", "attributes", "answer")), (tables.ResourceState, ("value",))):
        for name in names:
            await store(world, model, name, text)
    await store(world, tables.Endpoint, "object_links", text)
    told = await api.ask(EVERYTHING)
    (edge,) = told["endpoints"]["edges"]
    assert edge["node"]["registration"]["objectLinks"] == orjson.loads(text)
    assert edge["node"]["resources"][0]["value"] == orjson.loads(text)


@pytest.mark.parametrize("text", ["", "\u0001\u001b[31m\u202e\u2028\ufffe", "\U0010ffff" * 255])
async def test_every_text_that_can_be_stored_can_be_shown(world: LedgerWorld, api: Api, text: str) -> None:
    await fill(world)
    for model, names in (
        (tables.Operation, ("detail", "arguments", "created_by", "batch")),
        (tables.Transition, ("detail",)),
        (tables.Endpoint, ("registration_id", "address")),
        (tables.DispatchPause, ("reason",)),
    ):
        for name in names:
            await store(world, model, name, text)
    told = await api.ask(EVERYTHING)
    assert told["endpoints"]["edges"][0]["node"]["registration"]["address"] == text
    assert told["dispatchPauses"][0]["reason"] == text


@pytest.mark.parametrize("queue_mode", [True, False])
@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        (300, 300),
        (0, 0),
        (2**53 - 1, INT[1]),
        (2**53, INT[1]),
        (2**62, INT[1]),
        (2**63 - 1, INT[1]),
        (-1, None),
        ("300", 300),
        (300.5, 300),
        (1e300, INT[1]),
        (True, None),
        ("soon", None),
        (None, None),
    ],
    ids=repr,
)
async def test_any_lifetime_that_leshan_reports_can_be_shown(
    world: LedgerWorld, api: Api, lifetime: Any, seconds: int | None, queue_mode: bool
) -> None:
    facts = {"endpoint": "odd", "registrationId": "r", "queuemode": queue_mode, "lifetime": lifetime}
    _, told = registration_of(orjson.loads(orjson.dumps(facts)))
    await world.ingest(
        registered("usual"), registered("odd", lifetime_seconds=told.lifetime_seconds, queue_mode=queue_mode)
    )
    listed = (await api.ask(EVERYTHING))["endpoints"]["edges"]
    assert [edge["node"]["name"] for edge in listed] == ["odd", "usual"]
    registration = listed[0]["node"]["registration"]
    if seconds == 0:  # Leshan ends it at its next clean-up
        assert (listed[0]["node"]["presence"], registration) == ("OFFLINE", None)
        return
    assert registration["lifetimeSeconds"] == seconds
    endless = not queue_mode and seconds in (INT[1], None)
    if endless:
        assert listed[0]["node"]["awakeUntil"] == "9999-12-31T00:00:00Z"


async def test_all_columns_that_hold_a_time_are_tested() -> None:
    tried = {(model, name) for model in MODELS for name in shown(model)}
    missing = {
        (model, name)
        for model in MODELS
        for name, field in model._meta.fields_map.items()
        if isinstance(field, InstantField) and name not in COMPUTED and (model, name) not in tried
    }
    assert not missing
