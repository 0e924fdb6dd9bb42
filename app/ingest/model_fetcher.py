"""Object models that are missing are fetched from Leshan."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple, Never

import structlog

from app.bounded_queue import BoundedQueue
from app.domain.object_models import Versions, model_to_json
from app.leshan.client import LeshanClient
from app.leshan.registrations import LeshanUnavailable
from app.leshan.requests import Unaddressable
from app.models.ledger import READING, Ledger, LedgerUnavailable, StoredModel, StoreObjectModels
from app.models.object_models import ObjectModelCache
from app.models.queries import ReadUnavailable, changes_to_online, log_position, online_endpoints
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

PIECE: Final = 500
REFETCH_SECONDS: Final = 60.0
"""Minimum time between two requests to Leshan for the same unknown object. Each response without the object doubles the
pause: Leshan does not know the object either."""

REFETCH_LIMIT_SECONDS: Final = 3_600.0
"""The longest of these pauses: an operator may add models to Leshan at any time."""

MAX_REQUESTED: Final = 10_000
"""Maximum number of (object, version) pairs whose requests are remembered; a device may register any."""

MAX_WANTED: Final = 1_000
"""Maximum number of devices whose object models wait to be fetched."""


class _Requested(NamedTuple):
    """The time at which Leshan may be queried for a model again (monotonic seconds), and the pause that ends then."""

    again_at: float
    pause: float


_NEVER: Final = _Requested(0.0, REFETCH_SECONDS)


class ModelFetcher:
    """Fetches ``/objectspecs`` for devices that registered objects without a known model, one call at a time."""

    def __init__(
        self, object_models: ObjectModelCache, client: LeshanClient, ledger: Ledger, timing: Timing = DEFAULT
    ) -> None:
        self._timing = timing
        self._object_models, self._client, self._ledger = object_models, client, ledger
        self._requested: dict[tuple[int, str], _Requested] = {}
        self._wanted: BoundedQueue[tuple[str, set[tuple[int, str]]], Never] = BoundedQueue(MAX_WANTED)

    def want(self, endpoint: str, versions: Versions) -> None:
        """Enqueue a fetch of the models that a registered device lacks; free if all are known. Never blocks."""
        now = time.monotonic()
        missing = self._object_models.missing(versions)
        due = {key for key in missing if now >= self._requested.get(key, _NEVER).again_at}
        if due and self._wanted.put((endpoint, due)):
            if len(self._requested) >= MAX_REQUESTED:
                self._requested.clear()
            for key in due:
                pause = self._requested.get(key, _NEVER).pause
                self._requested[key] = _Requested(now + pause, pause)

    async def run(self) -> None:
        """Follow the devices that come online, and fetch missing models, forever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._fetch())

    async def _follow(self) -> None:
        seen: int | None = None
        while True:
            more = False
            try:
                if seen is None:
                    begin = await log_position()
                    await self._want_for_online()
                    seen = begin
                seen, more = await self._want_for_new(seen)
            except ReadUnavailable as error:
                self._ledger.outage.failed(error, READING)
            except Exception as error:
                log.warning("registrations_not_followed", error=str(error))
            if not more:
                await asyncio.sleep(self._timing.object_models)

    async def _want_for_online(self) -> None:
        """Enqueue the fetches of all devices that are online, once, at the start."""
        last = 0
        while True:
            rows = await online_endpoints(last, PIECE)
            for _, name, versions in rows:
                self.want(name, versions)
            if len(rows) < PIECE:
                return
            last = rows[-1][0]

    async def _want_for_new(self, seen: int) -> tuple[int, bool]:
        """Enqueue the fetches of devices that came online after this position of the log. Return the position up to
        which the log has been read, and whether more entries can be read at once."""
        rows = await changes_to_online(seen, PIECE)
        for _, name, versions in rows:
            self.want(name, versions)
        return (rows[-1][0] if rows else seen), len(rows) == PIECE

    async def _fetch(self) -> None:
        while True:
            ((endpoint, due),) = await self._wanted.take_many(1)
            missing = self._object_models.missing
            try:
                models = await self._client.object_models(endpoint)
                new = [model for model in models if missing({model.id: model.version})]
                rows = [StoredModel(model.id, model.version, model_to_json(model)) for model in new]
                await self._ledger.submit(StoreObjectModels(rows))
                await self._object_models.refresh()
                for object_id, version in due & self._requested.keys():
                    if missing({object_id: version}):  # Leshan does not have it
                        pause = min(2 * self._requested[object_id, version].pause, REFETCH_LIMIT_SECONDS)
                        self._requested[object_id, version] = _Requested(time.monotonic() + pause, pause)
            except (LeshanUnavailable, Unaddressable, LedgerUnavailable) as error:
                log.info("models_not_fetched", endpoint=endpoint, objects=sorted(due), error=str(error))
            except Exception:
                # models are optional: one that cannot be stored or read back must not stop the process
                log.exception("models_not_stored", endpoint=endpoint, objects=sorted(due))
