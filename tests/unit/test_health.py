"""Readiness by its parts: a check that cannot be made, or that is unknown, is never an "ok"."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette

from app.bus import BusHealth
from app.dispatcher.verdict import judge
from app.gauges import Gauges
from app.health import Check, Health
from app.models.ledger import Rules
from app.telemetry import BREAKER_OPEN
from tests.support import loopback

pytestmark = pytest.mark.asyncio


async def stored() -> None:
    """Act as a ledger that commits."""


async def get(health: Health, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=list(health.routes())))
    async with loopback.AsyncClient(transport=transport, base_url="http://reveille") as client:
        return await client.get(path)


@pytest.fixture
def health() -> Health:
    return Health(1, lambda: BusHealth(ok=True, detail="connected"), stored, uses_stream=True)


async def test_without_a_database_only_the_check_of_the_bus_passes(health: Health) -> None:
    BREAKER_OPEN.labels("leshan").set(1)
    assert (await get(health, "/health/live")).status_code == 200
    for only in ("", "?only=database", "?only=dispatcher", "?only=bus,bridge", "?only=leshan"):
        assert (await get(health, f"/health/ready{only}")).status_code == 503, only
    assert (await get(health, "/health/ready?only=bus")).status_code == 200
    told = (await get(health, "/health/ready")).json()["checks"]
    assert [name for name, check in told.items() if check["ok"]] == ["bus"]
    assert told.keys() == set(health.names)
    assert (await get(health, "/metrics")).status_code == 200
    assert REGISTRY.get_sample_value("reveille_breaker_open", {"server": "leshan"}) is None


async def test_only_viewers_see_messages_of_drivers() -> None:
    bus = BusHealth(ok=True, detail="connected")

    async def authenticates(token: str | None) -> bool:
        return token == "of-a-viewer"

    health = Health(1, lambda: bus, stored, uses_stream=True, authenticates=authenticates)
    shown = {}
    for token in ("of-a-viewer", "of-nobody", ""):
        transport = httpx.ASGITransport(app=Starlette(routes=list(health.routes())))
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with loopback.AsyncClient(transport=transport, base_url="http://reveille", headers=headers) as client:
            answer = await client.get("/health/ready?only=database")
        assert answer.status_code == 503
        shown[token] = answer.json()["checks"]["database"]["detail"]
    assert shown["of-nobody"] == shown[""] == "it cannot be written or read"
    assert shown["of-a-viewer"].startswith("it cannot be written or read: RuntimeError: no database is open")


async def test_an_unknown_check_is_refused(health: Health) -> None:
    answer = await get(health, "/health/ready?only=databse")
    assert (answer.status_code, answer.json()["status"]) == (400, "unknown")
    assert "database, bus, leshan, dispatcher, pauses, bridge" in answer.json()["detail"]


async def test_scrapes_share_one_reading_of_the_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = list[str]()
    failures = [RuntimeError("a bug"), None]

    class Read(Gauges):
        async def update(self) -> None:
            readings.append("read")
            if (failure := failures.pop()) is not None:
                raise failure

        def clear(self) -> None:
            readings.append("cleared")

    async def checks() -> dict[str, Check]:
        return {}

    bus = BusHealth(ok=True, detail="connected")
    health = Health(1, lambda: bus, stored, uses_stream=True, gauges=Read(1, Rules(judge=judge), uses_stream=True))
    monkeypatch.setattr(health, "_server_checks", checks)
    await asyncio.gather(*(get(health, "/metrics") for _ in range(5)))
    await get(health, "/metrics")
    assert readings == ["read"]
    assert REGISTRY.get_sample_value("reveille_database_up") == 1
    monkeypatch.setattr("app.health.GAUGE_SECONDS", 0)
    assert (await get(health, "/metrics")).status_code == 200
    assert readings == ["read", "read", "cleared"]
    assert REGISTRY.get_sample_value("reveille_database_up") == 0


@pytest.mark.parametrize("opened", [True, False])
async def test_a_scrape_reports_the_breaker(health: Health, monkeypatch: pytest.MonkeyPatch, opened: bool) -> None:
    async def told() -> dict[str, Check]:
        BREAKER_OPEN.labels("leshan").set(opened)
        return {}

    monkeypatch.setattr(health, "_server_checks", told)
    text = (await get(health, "/metrics")).text
    assert f'reveille_breaker_open{{server="leshan"}} {float(opened)}' in text
