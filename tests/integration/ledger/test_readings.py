"""Every reported value is a row of the history, once, with its origin and the clock that its time is from."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest
import pytest_asyncio

from app.domain.enums import HOUR, SECOND, Instant, OperationKind, ReadingOrigin, TimeSource, ValueType
from app.domain.events import Event, Reported, Sample
from app.domain.values import JsonValue, TypedValue
from app.domain.verdicts import Report
from app.ingest.event_ingestor import EventIngestor
from app.leshan.old_webhooks import parse_single
from app.leshan.webhook_http import Batch
from app.models.database import reading
from app.models.fields import codes_of, load_json
from app.models.ledger import DecodedEvent, IngestEvents, StreamPosition, TypedSample
from app.models.ledger.readings import CLOCK_AHEAD, EARLIEST_CLOCK, MAX_NUMBER
from app.models.object_models import ObjectModelCache
from tests.support.ledger import START, SUCCESS, LedgerWorld, delayed, new, registered, response

pytestmark = pytest.mark.asyncio

PATH: Final = "/3303/0/5700"
IN_2038: Final = 2_147_483_647 * SECOND
ORIGINS: Final = codes_of(ReadingOrigin)
DEVICE, SERVER = codes_of(TimeSource)[TimeSource.DEVICE], codes_of(TimeSource)[TimeSource.SERVER]


def sample(value: JsonValue, at: Instant | None = None, type_: ValueType = ValueType.FLOAT) -> TypedSample:
    return TypedSample({PATH: TypedValue(type_, value)}, at)


def reported(*samples: TypedSample, origin: ReadingOrigin = ReadingOrigin.SEND, age: int = 0) -> DecodedEvent:
    return DecodedEvent(Reported(endpoint="d", nodes={}, origin=origin, age=age), samples=samples)


async def history(world: LedgerWorld) -> list[dict[str, Any]]:
    return await world.rows("SELECT * FROM reading ORDER BY seq")


async def newest(world: LedgerWorld) -> dict[str, Any]:
    return await world.row("SELECT * FROM resource_state WHERE path = $1", PATH)


@pytest_asyncio.fixture
async def ingestor(world: LedgerWorld) -> AsyncIterator[EventIngestor]:
    """An ingestor into the world's ledger; the devices' object models are unknown."""
    async with reading(world.url):
        yield EventIngestor(world.ledgers[0], ObjectModelCache(1), webhook_readings=True)


def node(value: JsonValue, type_: str = "FLOAT", id_: int = 5700) -> dict[str, JsonValue]:
    return {"kind": "singleResource", "id": id_, "type": type_, "value": value}


@pytest.mark.parametrize(
    "origin", [ReadingOrigin.NOTIFICATION, ReadingOrigin.SEND, ReadingOrigin.LEGACY_WEBHOOK], ids=str
)
async def test_a_reported_value_has_the_origin_of_its_message(world: LedgerWorld, origin: ReadingOrigin) -> None:
    await world.ingest(reported(sample(21.5), origin=origin, age=5 * SECOND))
    (row,) = await history(world)
    assert (row["origin"], row["time_source"], row["at"]) == (ORIGINS[origin], SERVER, START - 5 * SECOND)
    assert (row["received_at"], row["stored_at"]) == (START - 5 * SECOND, START)
    state = await newest(world)
    for column in ("value", "type", "at", "received_at", "origin", "time_source"):
        assert state[column] == row[column]


@pytest.mark.parametrize(
    ("kind", "origin"), [(OperationKind.READ, ReadingOrigin.READ), (OperationKind.OBSERVE, ReadingOrigin.OBSERVE)]
)
async def test_the_value_of_an_answer_has_the_origin_of_its_request(
    world: LedgerWorld, kind: OperationKind, origin: ReadingOrigin
) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", kind, PATH))
    await world.attempt(Report(SUCCESS.outcome, values={PATH: TypedValue(ValueType.FLOAT, 9.0)}))
    (row,) = await history(world)
    assert (row["origin"], row["time_source"], row["value"]) == (ORIGINS[origin], SERVER, "9.0")


@pytest.mark.parametrize(
    ("kind", "origin"), [(OperationKind.READ, ReadingOrigin.READ), (OperationKind.OBSERVE, ReadingOrigin.OBSERVE)]
)
async def test_the_value_of_a_delayed_answer_has_the_origin_of_its_request(
    world: LedgerWorld, kind: OperationKind, origin: ReadingOrigin
) -> None:
    await world.ingest(registered("d"))
    await world.create(new("d", kind, PATH))
    await world.attempt(delayed("q1"))
    values = {PATH: TypedValue(ValueType.FLOAT, 9.0)}
    await world.ingest(response("d", "q1", Report(SUCCESS.outcome, values=values), age=3))
    (row,) = await history(world)
    assert (row["origin"], row["at"]) == (ORIGINS[origin], START - 3 * SECOND)


async def test_a_legacy_webhook_is_stored_with_its_origin(world: LedgerWorld, ingestor: EventIngestor) -> None:
    event = parse_single({"ep": "d", "obj_id": 3303, "val": node(21.5)})
    await ingestor.from_webhook(Batch([event], None))
    (row,) = await history(world)
    assert (row["path"], row["origin"]) == (PATH, ORIGINS[ReadingOrigin.LEGACY_WEBHOOK])


async def test_the_readings_of_one_message_share_its_report_id(world: LedgerWorld) -> None:
    two = TypedSample({PATH: TypedValue(ValueType.FLOAT, 1.0), "/3303/0/5701": TypedValue(ValueType.STRING, "C")})
    await world.ingest(reported(two, sample(2.0)), reported(sample(3.0)))
    rows = await history(world)
    first, last = rows[0]["seq"], rows[3]["seq"]
    assert [row["report"] for row in rows] == [first, first, first, last]
    assert [row["seq"] for row in rows] == [*range(first, first + 4)]


@pytest.mark.parametrize(
    ("clock", "believed"),
    [
        (None, False),
        (0, False),
        (EARLIEST_CLOCK - 1, False),
        (EARLIEST_CLOCK, True),
        (START - 3600 * SECOND, True),
        (START, True),
        (START + CLOCK_AHEAD, True),
        (START + CLOCK_AHEAD + 1, False),
        (IN_2038, False),
        (10**30, False),
        (-(10**30), False),
    ],
)
async def test_a_device_clock_that_cannot_be_right_is_replaced_by_the_receipt(
    world: LedgerWorld, clock: Instant | None, believed: bool
) -> None:
    await world.ingest(reported(sample(1.0, clock)))
    (row,) = await history(world)
    assert (row["at"], row["time_source"]) == ((clock, DEVICE) if believed else (START, SERVER))
    assert row["received_at"] == START


async def test_a_clock_is_compared_with_the_receipt_of_a_delayed_event(world: LedgerWorld) -> None:
    """An event that waited for an hour in the stream must not make an hour of the future plausible."""
    await world.ingest(reported(sample(1.0, START), age=HOUR))
    (row,) = await history(world)
    assert (row["at"], row["time_source"]) == (START - HOUR, SERVER)


BIG: Final = 2**64 - 1
NUMBERS: Final = [
    (ValueType.FLOAT, 21.5, 21.5),
    (ValueType.FLOAT, -0.0, -0.0),
    (ValueType.FLOAT, 5e-324, 5e-324),
    (ValueType.FLOAT, MAX_NUMBER, MAX_NUMBER),
    (ValueType.FLOAT, -MAX_NUMBER, -MAX_NUMBER),
    (ValueType.FLOAT, math.nextafter(MAX_NUMBER, math.inf), None),
    (ValueType.FLOAT, -1.7976931348623157e308, None),
    (ValueType.INTEGER, str(-(2**63)), float(-(2**63))),
    (ValueType.UNSIGNED_INTEGER, str(BIG), float(BIG)),
    (ValueType.BOOLEAN, True, 1.0),
    (ValueType.BOOLEAN, False, 0.0),
    (ValueType.TIME, "2026-11-23T10:00:00.250000Z", 1_795_428_000.25),
    (ValueType.TIME, "0001-01-01T00:00:00Z", -62_135_596_800.0),
    (ValueType.TIME, "9999-12-31T23:59:59Z", 253_402_300_799.0),
    (ValueType.STRING, "21.5", None),
    (ValueType.CORELINK, "</3>", None),
    (ValueType.OPAQUE, "00ff", None),
    (ValueType.OBJLNK, {"objectId": 3, "objectInstanceId": 0}, None),
    (ValueType.FLOAT, {"0": 1.5, "5": 2.5}, None),
    (ValueType.INTEGER, {"0": "7"}, None),
    (ValueType.TIME, {}, None),
]


@pytest.mark.parametrize(("type_", "value", "number"), NUMBERS)
async def test_a_reading_has_its_value_and_the_number_that_it_is(
    world: LedgerWorld, type_: ValueType, value: JsonValue, number: float | None
) -> None:
    await world.ingest(reported(sample(value, type_=type_)))
    (row,) = await history(world)
    assert (row["type"], load_json(row["value"]), row["number"]) == (type_, value, number)
    state = await newest(world)
    assert (state["type"], load_json(state["value"])) == (type_, value)


async def test_a_message_with_the_same_webhook_id_is_stored_once(world: LedgerWorld, ingestor: EventIngestor) -> None:
    event = Reported(endpoint="d", nodes={PATH: node(21.5)})
    for id_ in ("msg_1", "msg_1", "msg_2"):
        await ingestor.from_webhook(Batch([event], id_))
    assert len(await history(world)) == 2


async def test_a_message_of_the_same_stream_position_is_stored_once(world: LedgerWorld) -> None:
    ledger = world.ledgers[0]
    for position, again, stored in (("7", False, 1), ("7", True, 0), ("8", True, 1)):
        command = IngestEvents([reported(sample(1.0))], position=StreamPosition(position), again=again)
        assert await ledger.submit(command) == stored
    assert len(await history(world)) == 2


async def test_buffered_samples_and_a_late_and_a_wrong_clock_are_in_order(
    world: LedgerWorld, ingestor: EventIngestor
) -> None:
    """A Send of 24 hourly samples, then one of two hours ago, then one of 2038."""

    def sent(*samples: tuple[Instant, float]) -> Reported:
        read = tuple(Sample(at // 1000, {PATH: node(value)}) for at, value in samples)
        return Reported(endpoint="d", nodes=read[-1].nodes, samples=read, origin=ReadingOrigin.SEND)

    times = [START - (24 - number) * HOUR for number in range(24)]
    await ingestor.ingest([sent(*((at, float(number)) for number, at in enumerate(times)))], source="stream")
    rows = await history(world)
    assert [(row["at"], row["value"], row["time_source"]) for row in rows] == [
        (at, f"{number}.0", DEVICE) for number, at in enumerate(times)
    ]
    assert {row["report"] for row in rows} == {rows[0]["seq"]}
    assert {row["origin"] for row in rows} == {ORIGINS[ReadingOrigin.SEND]}
    await ingestor.ingest([sent((START - 2 * HOUR, 50.0))], source="stream")
    state = await newest(world)
    assert (state["value"], state["at"], state["time_source"]) == ("23.0", times[-1], DEVICE)
    world.pass_(1)
    await ingestor.ingest([sent((IN_2038, 60.0))], source="stream")
    state = await newest(world)
    assert (state["value"], state["at"], state["time_source"]) == ("60.0", world.now, SERVER)
    world.pass_(1)
    await ingestor.ingest([sent((world.now, 70.0))], source="stream")
    assert (await newest(world))["value"] == "70.0"
    assert [row["value"] for row in await history(world)][24:] == ["50.0", "60.0", "70.0"]


BAD_NODES: Final[Mapping[str, JsonValue]] = {
    "/3303/0/5601": node("NaN", id_=5601),
    "/3303/0/5602": node("Infinity", id_=5602),
    "/3303/0/5603": node("warm", id_=5603),
    "/3303/0/5604": node(1.5, "INTEGER", 5604),
    "/3303/0/5605": node("\ud800", "STRING", 5605),
    "/3303/0/5606": node("x" * 1_000_000, "STRING", 5606),
    "/3303/0/5607": node(2**64, "UNSIGNED_INTEGER", 5607),
    "/3303/0/5608": None,
    "/3303/0/5609": {"kind": "nothing"},
    "/99999/0/1": node(1.0, id_=1),
}


async def test_values_that_cannot_be_stored_lose_nothing_else(world: LedgerWorld, ingestor: EventIngestor) -> None:
    events: list[Event] = [
        Reported(endpoint="a", nodes={PATH: node(1.0)}),
        Reported(endpoint="b", nodes={**BAD_NODES, PATH: node(2.0)}),
        Reported(endpoint="c", nodes={"/65000/0/1": node("text", "STRING", 1), PATH: node(3.0)}),
    ]
    await ingestor.ingest(events, source="stream")
    stored = [(row["path"], row["value"]) for row in await history(world)]
    assert stored == [(PATH, "1.0"), (PATH, "2.0"), ("/65000/0/1", '"text"'), (PATH, "3.0")]


async def test_five_thousand_values_of_one_message_are_stored(world: LedgerWorld, ingestor: EventIngestor) -> None:
    nodes = {f"/3303/{number}/5700": node(float(number)) for number in range(5_000)}
    events = [Reported(endpoint="d", nodes=nodes), Reported(endpoint="e", nodes={PATH: node(1.0)})]
    await ingestor.ingest(events, source="stream")
    (count,) = await world.rows(
        "SELECT count(*) AS n, count(DISTINCT report) AS reports, sum(number) AS s FROM reading"
    )
    assert (count["n"], count["reports"], count["s"]) == (5_001, 2, 5_000 * 4_999 / 2 + 1)


async def test_messages_with_many_values_do_not_share_a_transaction() -> None:
    values = {f"/3303/{number}/5700": TypedValue(ValueType.FLOAT, 1.0) for number in range(5_000)}
    assert IngestEvents([reported(TypedSample(values))]).weight == 500
    assert IngestEvents([reported(sample(1.0))] * 50).weight == 50
