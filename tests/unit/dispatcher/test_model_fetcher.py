"""Object models are a help: whatever goes wrong with one, the next one is fetched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.dispatcher.models_shelf import MAX_ASKED, ModelFetcher, ModelShelf
from app.domain.object_models import ObjectModel

pytestmark = pytest.mark.asyncio


class Leshan:
    """Answers with object 3, whoever is asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def object_models(self, endpoint: str) -> list[ObjectModel]:
        self.asked.append(endpoint)
        return [ObjectModel(3, "1.1", "Device", multiple=False, resources={})]


class RefusingLedger:
    """A database that refuses what Leshan told."""

    def __init__(self) -> None:
        self.refused = asyncio.Event()
        self.submitted = 0

    async def submit(self, _member: Any) -> None:
        self.submitted += 1
        if self.submitted == 2:
            self.refused.set()
        raise RuntimeError("a CHECK refuses it")


async def test_a_model_that_cannot_be_stored_stops_nothing() -> None:
    leshan, ledger = Leshan(), RefusingLedger()
    fetcher = ModelFetcher(ModelShelf(1), leshan, ledger)  # type: ignore[arg-type]
    fetcher.want("one", {3: "1.1"})
    fetcher.want("two", {5: "1.0"})
    fetching = asyncio.create_task(fetcher._fetch())
    async with asyncio.timeout(10):
        await ledger.refused.wait()
    assert leshan.asked == ["one", "two"]
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)


async def test_an_object_is_asked_about_once() -> None:
    fetcher = ModelFetcher(ModelShelf(1), Leshan(), RefusingLedger())  # type: ignore[arg-type]
    for name in ("one", "two"):
        fetcher.want(name, {3: "1.1", 5: "1.0"})
    assert fetcher._wanted.qsize() == 1


async def test_devices_that_name_ever_new_objects_fill_no_memory() -> None:
    fetcher = ModelFetcher(ModelShelf(1), Leshan(), RefusingLedger())  # type: ignore[arg-type]
    for version in range(MAX_ASKED + 1):
        fetcher._asked[version, "1.0"] = 0.0
    fetcher.want("one", {3: "1.1"})
    assert len(fetcher._asked) == 1
