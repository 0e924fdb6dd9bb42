"""Firmware packages that operations write to devices (``/5/x/0``): the stored operation has only the package's id.

Memory is bounded: a few contents are kept as hex digits, and a few calls with one are open at the same time. Each has
up to a MiB, twice that as hex digits, and as much again in the body of its call.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.domain.outcomes import Outcome, OutcomeKind
from app.fleet.package_store import ContentMissing, FirmwareStorage, StorageFailed
from app.models.queries import PackageView, ReadUnavailable, firmware_package_by_id

MAX_PUSHES: Final = 8
"""Maximum number of calls that write a package at the same time."""
MAX_KEPT: Final = 2
"""Maximum number of contents that are kept for the next calls."""


class _Unusable(Exception):
    """The content can never be written to a device. The message says why."""


class PushedPackages:
    """The contents of packages for the calls of one dispatcher.

    Args:
        max_size: maximum bytes of a package that is written to a device.
    """

    def __init__(self, storage: FirmwareStorage, max_size: int) -> None:
        self._storage, self._max_size = storage, max_size
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._loading = asyncio.Lock()
        self._open = 0

    @asynccontextmanager
    async def content(self, package_id: int) -> AsyncIterator[str | Outcome]:
        """Yield the content of a package as hex digits, for a call that is made within the block.

        If it is an Outcome, no call can be made. With BAD_REQUEST none ever can; with NOT_SENT the operation waits and
        is tried again.
        """
        if self._open >= MAX_PUSHES:
            detail = f"{MAX_PUSHES} packages are being written to devices, as many as possible at a time"
            yield Outcome(OutcomeKind.NOT_SENT, detail=detail)
            return
        self._open += 1
        try:
            yield await self._loaded(package_id)
        finally:
            self._open -= 1

    async def _loaded(self, package_id: int) -> str | Outcome:
        async with self._loading:
            if (kept := self._kept.get(package_id)) is None:
                try:
                    kept = await self._load(package_id)
                except _Unusable as error:
                    return Outcome(OutcomeKind.BAD_REQUEST, detail=str(error))
                except (ReadUnavailable, StorageFailed) as error:
                    return Outcome(OutcomeKind.NOT_SENT, detail=f"the firmware package cannot be read now: {error}")
                self._kept[package_id] = kept
                if len(self._kept) > MAX_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(package_id)
            return kept

    async def _load(self, package_id: int) -> str:
        package = await firmware_package_by_id(package_id)
        if package is None or package.uri is not None or package.size is None:
            raise _Unusable("the firmware package was deleted, or was never uploaded")
        if package.size > self._max_size:
            detail = f"the firmware package has {package.size} bytes; at most {self._max_size} are written to a device"
            raise _Unusable(f"{detail} (REVEILLE_FIRMWARE_MAX_PUSH)")
        return (await self._read(package, package.size)).hex()

    async def _read(self, package: PackageView, size: int) -> bytes:
        if self._storage.store is None:
            detail = "the dispatcher has no store of firmware packages (REVEILLE_FIRMWARE_STORE)"
            raise _Unusable(detail)
        content = bytearray()
        try:
            async for chunk in self._storage.store.read(package.key, 0, size):
                content += chunk
        except ContentMissing:
            raise _Unusable("the content of the firmware package is missing") from None
        if hashlib.sha256(content).hexdigest() != package.sha256:
            raise _Unusable("the content of the firmware package is damaged: another SHA-256")
        return bytes(content)
