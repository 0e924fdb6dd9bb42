"""The export of readings: CSV and NDJSON as a stream of short statements."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pytest

from app.domain.enums import HOUR, SECOND, ValueType
from app.domain.events import Reported
from app.domain.object_models import model_to_json
from app.domain.values import TypedValue
from app.models.ledger import DecodedEvent, StoredModel, StoreObjectModels, TypedSample
from app.models.queries import readings
from app.schema.transport import export
from tests.integration.schema.test_readings import LINKS, SENSOR, TEMPERATURE, report, time
from tests.support.api import Api
from tests.support.ledger import START, LedgerWorld, registered
from tests.support.schema import VIEWER

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def get(api: Api, form: str, token: str = VIEWER, **parameters: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await api.http.get(f"/export/readings.{form}", params=parameters, headers=headers)


async def test_every_reading_is_exported_in_order_of_time(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    await world.ingest(registered("d"))
    for number in range(10):  # of two resources; every second one is late
        at = START - (number if number % 2 else 100 - number) * SECOND
        await report(world, (at, float(number)), path=f"/3303/{number % 2}/5700")
    answer = await get(api, "ndjson", endpoint="d")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["value"] for row in rows] == [0.0, 2.0, 4.0, 6.0, 8.0, 9.0, 7.0, 5.0, 3.0, 1.0]
    assert rows[0] == {
        "endpoint": "d",
        "path": "/3303/0/5700",
        "name": None,
        "units": None,
        "type": "FLOAT",
        "value": 0.0,
        "number": 0.0,
        "at": "2023-11-14T22:11:40Z",
        "receivedAt": "2023-11-14T22:13:20Z",
        "timeSource": "DEVICE",
        "origin": "SEND",
    }
    some = await get(
        api, "ndjson", endpoint="d", path="/3303/1", **{"from": time(START - 4 * SECOND), "to": time(START)}
    )
    assert [json.loads(line)["value"] for line in some.text.splitlines()] == [3.0, 1.0]


async def test_a_csv_has_a_header_and_quoted_texts(world: LedgerWorld, api: Api) -> None:
    await world.ledgers[0].submit(StoreObjectModels([StoredModel(3303, "1.0", model_to_json(SENSOR))]))
    await world.ingest(registered("d", object_links=LINKS))
    await report(world, (None, 20.5))
    values = {
        "/3/0/0": TypedValue(ValueType.STRING, 'a "b", c\nd'),
        "/3/0/11": TypedValue(ValueType.INTEGER, {"0": "1"}),
        "/3/0/9": TypedValue(ValueType.INTEGER, "9223372036854775807"),
    }
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[TypedSample(values)]))
    answer = await get(api, "csv", endpoint="d")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="readings.csv"'
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(answer.text, newline=""))}
    assert rows["/3/0/0"]["value"] == 'a "b", c\nd'
    assert rows["/3/0/11"]["value"] == '{"0":"1"}'
    assert rows["/3/0/9"]["value"] == "9223372036854775807"
    sensor = rows[TEMPERATURE]
    assert (sensor["name"], sensor["units"], sensor["value"]) == ("Sensor Value", "Cel", "20.5")


async def test_large_values_are_read_one_by_one(world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.ingest(registered("d"))
    large = TypedSample({"/3/0/0": TypedValue(ValueType.STRING, "x" * 100_000)})
    await world.ingest(DecodedEvent(Reported(endpoint="d", nodes={}), samples=[large, large]))
    read: list[int] = []
    plain = readings.reading_values

    async def counted(seqs: list[int]) -> dict[int, str]:
        read.append(len(seqs))
        return await plain(seqs)

    monkeypatch.setattr(export, "reading_values", counted)
    rows = [json.loads(line) for line in (await get(api, "ndjson", endpoint="d")).text.splitlines()]
    assert [len(row["value"]) for row in rows] == [100_000, 100_000]
    assert read == [1, 1]


@pytest.mark.parametrize(
    ("parameters", "status", "code", "field"),
    [
        ({}, 400, "BAD_USER_INPUT", "endpoint"),
        ({"endpoint": "no"}, 404, "NOT_FOUND", "endpoint"),
        ({"endpoint": "d", "path": "x"}, 400, "BAD_USER_INPUT", "path"),
        ({"endpoint": "d", "from": "yesterday"}, 400, "BAD_USER_INPUT", "from"),
        ({"endpoint": "d", "since": "2026-11-23T10:00:00Z"}, 400, "BAD_USER_INPUT", "since"),
        ({"endpoint": ["d", "e"]}, 400, "BAD_USER_INPUT", None),
    ],
)
async def test_invalid_parameters_are_refused(
    world: LedgerWorld, api: Api, *, parameters: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    await world.ingest(registered("d"))
    answer = await get(api, "csv", **parameters)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (status, code)
    assert error["extensions"].get("field") == field


async def test_the_export_requires_a_token(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    answer = await get(api, "csv", token="unknown-token-of-tests", endpoint="d")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_number_of_exports_at_once_is_limited(
    world: LedgerWorld, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_EXPORTS", 0)
    await world.ingest(registered("d"))
    answer = await get(api, "csv", endpoint="d")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert answer.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 0}


async def test_an_interval_without_readings_is_an_empty_export(world: LedgerWorld, api: Api) -> None:
    await world.ingest(registered("d"))
    await report(world, (None, 1.0))
    answer = await get(api, "ndjson", endpoint="d", **{"from": time(START + HOUR)})
    assert (answer.status_code, answer.text) == (200, "")
