"""Cache of the stored object models, and of what the object links of registrations say."""

from __future__ import annotations

import asyncio
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from app.domain.enums import Instant
from app.domain.object_models import (
    Models,
    ObjectModel,
    Versions,
    major,
    model_from_json,
    object_versions,
    stand_in,
)
from app.models.fields import load_json
from app.models.ledger.outage import READING, Outage
from app.models.queries.access import ReadUnavailable, fetch
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

Links = Sequence[Mapping[str, Any]] | None


@functools.lru_cache(maxsize=4_096)
def stored_links(links: str | None) -> Links:
    """Return the object links of a registration from their stored text; devices of one make share the result."""
    stored: Links = load_json(links)
    return stored


@functools.lru_cache(maxsize=4_096)
def stored_versions(links: str | None, lwm2m_version: str | None) -> Versions:
    """Return the objects and versions of a registration from the stored text of its links and its LwM2M release."""
    return object_versions(stored_links(links), lwm2m_version)


class ObjectModelCache:
    """Known object models of one Leshan server. ``run`` keeps the cache fresh."""

    def __init__(self, server_id: int, timing: Timing = DEFAULT) -> None:
        self._timing = timing
        self._server_id = server_id
        self._models: dict[tuple[int, str], ObjectModel] = {}
        self._versions: defaultdict[int, dict[str, ObjectModel]] = defaultdict(dict)
        self._stand_ins: dict[tuple[int, str | None], ObjectModel] = {}
        self._newest = 0

    async def refresh(self) -> None:
        """Read the models that were stored since the last refresh."""
        for stored_at in await self._read("stored_at > $2", self._newest):
            self._newest = max(self._newest, stored_at)

    async def _read(self, condition: str, value: object) -> list[Instant]:
        """Cache the stored models that match, and return when they were stored."""
        sql = f"SELECT model, stored_at FROM object_model WHERE server_id = $1 AND {condition} ORDER BY stored_at"  # noqa: S608
        found = [(model, stored_at) for model, stored_at in await fetch(sql, [self._server_id, value])]
        for model, _ in found:
            self._put(model_from_json(load_json(model)))
        return [stored_at for _, stored_at in found]

    async def run(self, outage: Outage) -> None:
        """Refresh forever; while the database is unavailable, only new models are missed."""
        while True:
            try:
                await self.refresh()
                outage.ended(READING)
            except ReadUnavailable as error:
                outage.failed(error, READING)
            except Exception as error:
                log.warning("models_not_refreshed", error=str(error))
            await asyncio.sleep(self._timing.object_models)

    def _put(self, model: ObjectModel) -> None:
        self._models[model.id, model.version] = model
        known = self._versions[model.id]
        known[model.version] = model
        compatible = [other for version, other in known.items() if major(version) == major(model.version)]
        self._stand_ins[model.id, major(model.version)] = stand_in(compatible)
        self._stand_ins[model.id, None] = stand_in([*known.values()])

    def of(self, versions: Versions) -> Models:
        """Return the look-up of models for reading the values that a device of these object versions reports.

        If the model of the device's own version is not known, the known ones of the same major version stand in, for
        the resources on which they agree: a later major version may have given a resource another type. If the device's
        version is not known, all known models must agree. A resource without a model is shown in the form of Leshan's
        node.
        """

        def model(object_id: int) -> ObjectModel | None:
            version = versions.get(object_id)
            if version is None:
                return self._stand_ins.get((object_id, None))
            return self._models.get((object_id, version)) or self._stand_ins.get((object_id, major(version)))

        return model

    def missing(self, versions: Versions) -> set[tuple[int, str]]:
        """Return the objects and versions whose models are not cached."""
        return set(versions.items()) - self._models.keys()

    async def one(self, object_id: int, version: str | None = None) -> ObjectModel | None:
        """Return the stored model of an object in this version, or in the newest known one. The database is read only
        if no process of this cache has read it.

        Raises:
            ReadUnavailable: the database cannot be reached.
        """
        if object_id not in self._versions or (version and version not in self._versions[object_id]):
            await self._read("object_id = $2", object_id)
        known = self._versions.get(object_id, {})
        if version is None and known:
            version = max(known, key=lambda text: [int(part) for part in text.split(".")])
        return known.get(version or "")

    async def exact(self, versions: Versions) -> dict[int, ObjectModel]:
        """Return the stored models of exactly these versions, by object id. The database is read only for missing ones,
        which another process may have stored since the last refresh.

        Raises:
            ReadUnavailable: the database cannot be reached.
        """
        if missing := self.missing(versions):
            await self._read("object_id = ANY($2::bigint[])", [object_id for object_id, _ in missing])
        models = ((object_id, self._models.get((object_id, version))) for object_id, version in versions.items())
        return {object_id: model for object_id, model in models if model is not None}
