"""Rows of fleet work for the resolvers of one document. Each kind is read for all rows of a list at once, in a batch
with concurrent calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from strawberry.dataloader import DataLoader

from app.models.queries import INLINE, EndpointView, Large, endpoints_by_id
from app.models.queries.campaigns import (
    CampaignTargetView,
    CampaignView,
    campaign_targets_by_id,
    campaigns_by_id,
    operations_of_targets,
)
from app.models.queries.firmware_updates import (
    FirmwareUpdateView,
    firmware_updates_by_id,
    newest_firmware_updates,
)
from app.models.queries.fleet import PackageView, firmware_packages_by_id
from app.schema.errors import ApiError, Code

if TYPE_CHECKING:
    from app.schema.api.reads import LoadedOperation, Reads

T = TypeVar("T")
V = TypeVar("V", EndpointView, CampaignView)


class FleetReads:
    """Reads of fleet work. ``reads`` are those of the same document."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._endpoints = DataLoader(load_fn=self._load_endpoints)
        self._packages = _by_id(firmware_packages_by_id)
        self._updates = _by_id(firmware_updates_by_id, self.reserve_details)
        self._newest_updates = _by_id(newest_firmware_updates, self.reserve_details)
        self._campaigns = DataLoader(load_fn=self._load_campaigns)
        self._targets = _by_id(campaign_targets_by_id)
        self._operations = DataLoader(load_fn=self._load_operations)
        self._occurring: set[tuple[type, int]] = set()

    async def endpoint(self, id_: int) -> EndpointView:
        """Return an endpoint, also a deleted one. Raise ApiError, NOT_FOUND: it was removed meanwhile."""
        return self._reserved(_present(await self._endpoints.load(id_), "The endpoint was removed meanwhile."))

    def keep_endpoint(self, view: EndpointView) -> None:
        """Keep an endpoint that has been read with its large values."""
        self._endpoints.prime(view.id, view)

    async def _load_endpoints(self, ids: Sequence[int]) -> list[EndpointView | None]:
        found = await endpoints_by_id(ids, self._reads.large)
        whole = {view.id: view for view in await self._reads.whole_endpoints(list(found.values()))}
        return [whole.get(id_) for id_ in ids]

    async def package(self, id_: int) -> PackageView:
        """Return a package, also one that was removed from the list."""
        return _present(await self._packages.load(id_), "The package was removed meanwhile.")

    def reserve_details(self, views: Iterable[FirmwareUpdateView | CampaignTargetView]) -> None:
        """Reserve the size of their texts. Raises as :meth:`Reads.reserve` does."""
        self._reads.reserve(sum(len(view.detail or "") for view in views))

    async def update(self, id_: int) -> FirmwareUpdateView | None:
        """Return a firmware update; None if there is none."""
        return await self._updates.load(id_)

    async def newest_update(self, endpoint_id: int) -> FirmwareUpdateView | None:
        """Return an endpoint's newest firmware update; None if there is none."""
        return await self._newest_updates.load(endpoint_id)

    async def campaign(self, id_: int) -> CampaignView | None:
        """Return a campaign; None if there is none."""
        view = await self._campaigns.load(id_)
        return None if view is None else self._reserved(view)

    async def campaign_of_target(self, target_id: int) -> CampaignView | None:
        """Return the campaign that a target belongs to; None if it was deleted."""
        target = await self._targets.load(target_id)
        return None if target is None else await self.campaign(target.campaign_id)

    async def _load_campaigns(self, ids: Sequence[int]) -> list[CampaignView | None]:
        found = await campaigns_by_id(ids, self._reads.large)
        whole = {view.id: view for view in await self.whole_campaigns(list(found.values()))}
        return [whole.get(id_) for id_ in ids]

    async def reserve_campaign(self, id_: int) -> None:
        """Reserve the size of a campaign before a mutation changes it. Raises as :meth:`Reads.reserve` does."""
        if self._reads.repeats:
            self._reads.reserve(sum(view.weight for view in (await campaigns_by_id([id_], Large.SHORT)).values()))

    async def whole_campaigns(self, views: Sequence[CampaignView]) -> list[CampaignView]:
        """Return the same campaigns with the selected large values. Raises as :meth:`Reads.reserve` does."""
        if not self._reads.repeats:
            return list(views)
        self._reads.reserve(sum(view.weight for view in views))
        full = await campaigns_by_id([view.id for view in views if view.weight > INLINE])
        return [replace(full[view.id], weight=view.weight) if view.id in full else view for view in views]

    def _reserved(self, view: V) -> V:
        """Return a row that occurs in the response: it was reserved when it was read, and is again for each further
        occurrence. Raises as :meth:`Reads.reserve` does."""
        key = (type(view), view.id)
        if key in self._occurring:
            self._reads.reserve(view.weight)
        self._occurring.add(key)
        return view

    async def operations(self, target_id: int) -> list[LoadedOperation]:
        """Return the operations of the newest attempt of a campaign's target, in their order."""
        return await self._operations.load(target_id)

    async def _load_operations(self, target_ids: Sequence[int]) -> list[list[LoadedOperation]]:
        found = await operations_of_targets(target_ids, self._reads.large)
        views = [view for id_ in target_ids for view in found[id_]]
        loaded = iter(await self._reads.operations(views))
        return [[next(loaded) for _ in found[id_]] for id_ in target_ids]


def _by_id(
    read: Callable[[Collection[int]], Awaitable[Mapping[int, T]]], reserve: Callable[[Iterable[T]], None] | None = None
) -> DataLoader[int, T | None]:
    async def load(ids: Sequence[int]) -> list[T | None]:
        found = await read(ids)
        if reserve is not None:
            reserve(found.values())
        return [found.get(id_) for id_ in ids]

    return DataLoader(load_fn=load)


def _present(found: T | None, message: str) -> T:
    if found is None:
        raise ApiError(Code.NOT_FOUND, message)
    return found
