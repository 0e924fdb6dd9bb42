"""An operation that writes a firmware package to a device has only its id until the call."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from app.dispatcher import pushed_packages
from app.domain.enums import ValueType
from app.fleet.package_store import DirectoryStore, new_key
from app.fleet.packages import CreateFirmwarePackage, RetireFirmwarePackage
from tests.stories.conftest import Begin
from tests.support.simulated_world import SimulatedWorld
from tests.support.world import Op

pytestmark = pytest.mark.asyncio

MAX_PUSH: Final = 5_000
PACKAGE: Final = bytes(range(250)) * 20


async def add(
    world: SimulatedWorld, store: DirectoryStore | None, package: bytes = PACKAGE, content: bytes = b""
) -> int:
    """Create a package; without a store its content is missing. ``content`` is stored instead of the package."""
    key, digest = new_key(), hashlib.sha256(package).hexdigest()
    if store is not None:
        await store.write(key, _chunks(content or package))
    command = CreateFirmwarePackage("image", "1", None, len(package), digest, key, "olga")
    return await world.components.ledger.submit(command)


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def push(world: SimulatedWorld, package: int) -> Op:
    plain = world.wanted("WRITE", "/5/0/0")
    request = replace(plain.request, value={"firmwarePackage": package}, value_type=ValueType.OPAQUE)
    (op,) = await world.create_many([replace(plain, request=request)])
    return op


async def test_a_package_is_written_by_its_id(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path)
    async with begin(firmware_store=str(tmp_path), firmware_max_push=MAX_PUSH) as world:
        package = await add(world, store)
        await world.wake()
        op = await push(world, package)
        await world.confirmed(op)
        node = orjson.loads(world.received()[-1].body)
        assert (node["type"], node["value"]) == ("OPAQUE", PACKAGE.hex())
        stored: Any = (await world.operation(op)).value
        assert stored == {"firmwarePackage": package}

        deleted = await add(world, store)
        await world.components.ledger.submit(RetireFirmwarePackage(deleted))
        for wrong, problem in (
            (deleted, "deleted"),
            (await add(world, None), "missing"),
            (await add(world, store, bytes(MAX_PUSH + 1)), "REVEILLE_FIRMWARE_MAX_PUSH"),
            (await add(world, store, content=bytes(len(PACKAGE))), "damaged"),
        ):
            op = await push(world, wrong)
            await world.becomes(op, "FAILED", "INVALID_REQUEST")
            row = await world.operation(op)
            assert problem in (row.detail or "")

        monkeypatch.setattr(pushed_packages, "MAX_PUSHES", 0)
        op = await push(world, package)
        await world.passes(op, "QUEUED RELEASED")
        monkeypatch.setattr(pushed_packages, "MAX_PUSHES", 1)
        await world.confirmed(op)


async def test_a_dispatcher_without_the_store_ends_the_operation(world: SimulatedWorld) -> None:
    await world.wake()
    op = await push(world, await add(world, None))
    await world.becomes(op, "FAILED", "INVALID_REQUEST")
    assert "REVEILLE_FIRMWARE_STORE" in ((await world.operation(op)).detail or "")
