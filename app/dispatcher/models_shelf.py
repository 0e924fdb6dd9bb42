"""The object models that are known, by object and version, at hand in memory; missing ones are fetched from Leshan."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from app.domain.object_models import ObjectModel, model_from_json, model_to_json, object_versions
from app.domain.words import Presence
from app.leshan.client import LeshanClient
from app.leshan.nodes import Models
from app.leshan.registrations import LeshanUnavailable
from app.leshan.requests import Unaddressable
from app.models import tables
from app.models.fields import load_json
from app.models.ledger import KeepModels, Ledger, LedgerUnavailable, StoredModel

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 2.0
PIECE: Final = 500
REFETCH_SECONDS: Final = 60.0
"""Leshan is not asked about the same unknown object again before this: it may not know it either."""

MAX_ASKED: Final = 10_000
"""Objects in versions that are remembered as asked about; devices may name any."""

Versions = Mapping[int, str]
Links = Sequence[Mapping[str, Any]] | None


@functools.lru_cache(maxsize=4_096)
def told_links(links: str | None) -> Links:
    """The object links of a registration, of their stored text; devices of one make share theirs."""
    told: Links = load_json(links)
    return told


@functools.lru_cache(maxsize=4_096)
def told_versions(links: str | None) -> Versions:
    """The objects and versions that a registration told, of the stored text of its links."""
    return object_versions(told_links(links))


class ModelShelf:
    """Known object models of one Leshan server. ``run`` keeps it fresh; ``want`` has missing ones fetched."""

    def __init__(self, server_id: int) -> None:
        self._server_id = server_id
        self._models: dict[tuple[int, str], ObjectModel] = {}
        self._any_version: dict[int, ObjectModel] = {}
        self._newest = 0

    async def refresh(self) -> None:
        """Read what was stored since the last time."""
        rows = tables.ObjectModelRow.filter(server_id=self._server_id, stored_at__gt=self._newest)
        for model, stored_at in await rows.order_by("stored_at").values_list("model", "stored_at"):
            self._put(model_from_json(model))
            self._newest = max(self._newest, stored_at)

    async def run(self) -> None:
        """Refresh for ever; a database that is away for a while costs nothing but news."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                log.warning("models_not_refreshed", error=str(error))
            await asyncio.sleep(REFRESH_SECONDS)

    def _put(self, model: ObjectModel) -> None:
        self._models[model.id, model.version] = model
        self._any_version[model.id] = model

    def of(self, versions: Versions) -> Models:
        """Look-up for a device of these object versions; another version stands in where its own is not known."""

        def model(object_id: int) -> ObjectModel | None:
            exact = self._models.get((object_id, versions.get(object_id, "1.0")))
            return exact or self._any_version.get(object_id)

        return model

    def missing(self, versions: Versions) -> set[tuple[int, str]]:
        return set(versions.items()) - self._models.keys()


class ModelFetcher:
    """Fetches ``/objectspecs`` for devices that registered objects nobody knows yet, one call at a time."""

    def __init__(self, shelf: ModelShelf, client: LeshanClient, ledger: Ledger) -> None:
        self._shelf, self._client, self._ledger = shelf, client, ledger
        self._asked: dict[tuple[int, str], float] = {}
        self._wanted: asyncio.Queue[tuple[str, set[tuple[int, str]]]] = asyncio.Queue(1_000)

    def want(self, endpoint: str, versions: Versions) -> None:
        """Note that a registered device needs models; costs nothing when all are known. Never blocks."""
        now = time.monotonic()
        missing = self._shelf.missing(versions)
        due = {key for key in missing if now - self._asked.get(key, -REFETCH_SECONDS) >= REFETCH_SECONDS}
        if due and not self._wanted.full():
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
            self._asked.update(dict.fromkeys(due, now))
            self._wanted.put_nowait((endpoint, due))

    async def run(self) -> None:
        """Follow who comes online, and fetch what is missing, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._fetch())

    async def _follow(self) -> None:
        seen: int | None = None
        while True:
            more = False
            try:
                if seen is None:
                    begin = (await tables.LedgerHead.get(id=1)).seq
                    await self._look_at_everybody()
                    seen = begin
                seen, more = await self._look_at_newcomers(seen)
            except Exception as error:
                log.warning("registrations_not_followed", error=str(error))
            if not more:
                await asyncio.sleep(REFRESH_SECONDS)

    async def _look_at_everybody(self) -> None:
        """Once, at the start: whoever is online now."""
        last = 0
        while True:
            online = tables.Endpoint.filter(id__gt=last, presence=Presence.ONLINE).order_by("id").limit(PIECE)
            rows = await online.values_list("id", "name", "object_links")
            for _, name, links in rows:
                self.want(name, object_versions(links))
            if len(rows) < PIECE:
                return
            last = rows[-1][0]

    async def _look_at_newcomers(self, seen: int) -> tuple[int, bool]:
        """Whoever came online after this place of the log; answers up to where it has been read, and whether there is
        more at once."""
        changes = tables.PresenceChange.filter(seq__gt=seen, presence=Presence.ONLINE).order_by("seq").limit(PIECE)
        rows = await changes.values_list("seq", "endpoint__name", "endpoint__object_links")
        for _, name, links in rows:
            self.want(name, object_versions(links))
        return (rows[-1][0] if rows else seen), len(rows) == PIECE

    async def _fetch(self) -> None:
        while True:
            endpoint, due = await self._wanted.get()
            try:
                models = await self._client.object_models(endpoint)
                await self._ledger.submit(KeepModels(self._stored(models)))
                await self._shelf.refresh()
            except (LeshanUnavailable, Unaddressable, LedgerUnavailable) as error:
                log.info("models_not_fetched", endpoint=endpoint, objects=sorted(due), error=str(error))
            except Exception:
                # models are a help: one that cannot be stored or read back must not stop the process
                log.exception("models_not_kept", endpoint=endpoint, objects=sorted(due))

    def _stored(self, models: Iterable[ObjectModel]) -> list[StoredModel]:
        new = self._shelf.missing
        return [
            StoredModel(model.id, model.version, model_to_json(model))
            for model in models
            if new({model.id: model.version})
        ]
