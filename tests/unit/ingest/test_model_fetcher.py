"""Object models are optional: after any failure with one, the next one is fetched."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest

from app.domain.object_models import ObjectModel
from app.ingest import model_fetcher
from app.ingest.model_fetcher import (
    _NEVER,
    MAX_REQUESTED,
    REFETCH_LIMIT_SECONDS,
    REFETCH_SECONDS,
    ModelFetcher,
    _Requested,
)
from app.leshan.registrations import LeshanUnavailable
from app.models.object_models import ObjectModelCache
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio


class Leshan:
    """A client that returns object 3 for every endpoint."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def object_models(self, endpoint: str) -> list[ObjectModel]:
        self.asked.append(endpoint)
        return [ObjectModel(3, "1.1", "Device", multiple=False, resources={})]


class RefusingLedger:
    """A database that refuses Leshan's models."""

    def __init__(self) -> None:
        self.refused = asyncio.Event()
        self.submitted = 0

    async def submit(self, _member: Any) -> None:
        self.submitted += 1
        if self.submitted == 2:
            self.refused.set()
        raise RuntimeError("a CHECK refuses it")


async def test_a_model_that_cannot_be_stored_does_not_stop_the_others() -> None:
    leshan, ledger = Leshan(), RefusingLedger()
    fetcher = ModelFetcher(ObjectModelCache(1), leshan, ledger)  # type: ignore[arg-type]
    fetcher.want("one", {3: "1.1"})
    fetcher.want("two", {5: "1.0"})
    fetching = asyncio.create_task(fetcher._fetch())
    async with asyncio.timeout(BOUND):
        await ledger.refused.wait()
    assert leshan.asked == ["one", "two"]
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)


async def test_an_object_is_requested_once() -> None:
    fetcher = ModelFetcher(ObjectModelCache(1), Leshan(), RefusingLedger())  # type: ignore[arg-type]
    for name in ("one", "two"):
        fetcher.want(name, {3: "1.1", 5: "1.0"})
    assert len(fetcher._wanted) == 1


async def test_devices_with_ever_new_objects_use_bounded_memory() -> None:
    fetcher = ModelFetcher(ObjectModelCache(1), Leshan(), RefusingLedger())  # type: ignore[arg-type]
    for version in range(MAX_REQUESTED + 1):
        fetcher._requested[version, "1.0"] = _NEVER
    fetcher.want("one", {3: "1.1"})
    assert len(fetcher._requested) == 1


class Taking:
    """A database that accepts Leshan's models."""

    async def submit(self, _member: Any) -> None:
        return


async def test_a_model_that_leshan_lacks_is_requested_at_growing_intervals() -> None:
    shelf, leshan = ObjectModelCache(1), Leshan()
    fetcher = ModelFetcher(shelf, leshan, Taking())  # type: ignore[arg-type]
    now = 1_000.0
    with (
        mock.patch.object(model_fetcher, "time", mock.Mock(monotonic=lambda: now)),
        mock.patch.object(shelf, "refresh", mock.AsyncMock()),
    ):
        fetching = asyncio.create_task(fetcher._fetch())
        for times, pause in enumerate((120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, REFETCH_LIMIT_SECONDS), start=1):
            fetcher.want("one", {1: "1.0"})
            answered = times, _Requested(now + pause, pause)
            await eventually(
                lambda answered=answered: (len(leshan.asked), fetcher._requested[1, "1.0"]) == answered  # type: ignore[misc]
            )
            now += pause - 0.5
            fetcher.want("one", {1: "1.0"})
            assert len(fetcher._wanted) == 0
            now += 0.5
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


class Away(Leshan):
    """A client whose server cannot be reached."""

    async def object_models(self, endpoint: str) -> list[ObjectModel]:
        await super().object_models(endpoint)
        raise LeshanUnavailable("away")


async def test_an_unavailable_leshan_is_requested_again_after_a_minute() -> None:
    leshan = Away()
    fetcher = ModelFetcher(ObjectModelCache(1), leshan, Taking())  # type: ignore[arg-type]
    now = 1_000.0
    with mock.patch.object(model_fetcher, "time", mock.Mock(monotonic=lambda: now)):
        fetching = asyncio.create_task(fetcher._fetch())
        for times in range(1, 4):
            fetcher.want("one", {1: "1.0"})
            await eventually(lambda times=times: len(leshan.asked) == times)  # type: ignore[misc]
            now += REFETCH_SECONDS
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
