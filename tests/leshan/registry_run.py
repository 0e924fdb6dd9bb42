"""``python -m tests.leshan.registry_run``: the resources of the object registry, through our Leshan server.

Real LwM2M clients hold an instance of each object that the server knows. Each resource is read as the device sets it,
written and read back, or executed, by Reveille's client for Leshan servers, and compared with what the device holds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rich.console import Console

from app.domain.enums import OperationKind, ValueType
from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, TypedValue
from app.leshan.client import LeshanClient
from app.leshan.content_formats import formats_for, registered_formats
from app.leshan.nodes import decode_content, leshan_value
from tests.contract.leshan.values import VALUES, equal
from tests.leshan.devices import Device
from tests.leshan.launch import leshan_devices, leshan_server

OURS: Final = frozenset({0, 1, 2, 3, 5, 6, 21, 3303, 3442})
"""Objects that the test devices have by themselves, with values of their own, or not at all."""

PATIENCE: Final = 30


@dataclass
class Result:
    """Counts of what was done, by operation, and a sentence for each difference."""

    objects: int = 0
    done: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Check:
    """One device with some of the objects, asked through Reveille's client."""

    client: LeshanClient
    device: Device
    models: dict[int, ObjectModel]
    links: Sequence[dict[str, JsonValue]]
    result: Result

    async def run(self) -> None:
        """Check every resource of the device's registry objects."""
        for model in self.models.values():
            if model.id not in OURS:
                self.result.objects += 1
                for resource in model.resources.values():
                    await self._check(f"/{model.id}/0/{resource.id}", resource)

    async def _check(self, path: str, resource: ResourceModel) -> None:
        operations = resource.operations
        if operations == "E":
            await self._call(OperationKind.EXECUTE, path)
        elif resource.type is not None:
            for value in _values(resource.type, resource.multiple):
                self.result.types[str(resource.type)] += 1
                if "W" in operations:
                    await self._write(path, value)
                elif "R" in operations:
                    await self._set(path, value)
                if "R" in operations:
                    await self._read(path, value)

    async def _set(self, path: str, typed: TypedValue) -> None:
        await asyncio.to_thread(self.device.notify, path, _in_leshans_form(typed))
        self.result.done["SET by the device"] += 1

    async def _write(self, path: str, typed: TypedValue) -> None:
        await self._call(OperationKind.WRITE, path, typed)
        held = await asyncio.to_thread(self.device.value, path)
        if held is None or not equal(held, typed):
            self.result.differences.append(f"WRITE {path}: {typed} was written, {held} is held")

    async def _read(self, path: str, typed: TypedValue) -> None:
        outcome = await self._call(OperationKind.READ, path)
        decoded = decode_content(path, outcome.content, self.models.get)
        if decoded.problems or decoded.values != {path: typed}:
            self.result.differences.append(f"READ {path}: {typed} is held, {decoded} was read")

    async def _call(self, kind: OperationKind, path: str, typed: TypedValue | None = None) -> Outcome:
        request = OperationRequest(self.device.name, kind, path, (path,), timeout_seconds=PATIENCE)
        if typed is not None:
            request = replace(request, value_type=typed.type, value=typed.value)
        formats = formats_for(request, registered_formats(self.links), "1.1")
        outcome = await self.client.call(replace(request, format=formats[0]), time.monotonic() + PATIENCE)
        self.result.done[str(kind)] += 1
        if outcome.kind is not OutcomeKind.SUCCESS:
            self.result.differences.append(f"{kind} {path} {typed}: {outcome}")
        return outcome


def _values(type_: ValueType, multiple: bool) -> Iterator[TypedValue]:
    values = VALUES[type_][:2]
    if multiple:
        yield TypedValue(type_, dict(zip(("0", "7"), values, strict=False)))
    else:
        yield from (TypedValue(type_, value) for value in values)


def _in_leshans_form(typed: TypedValue) -> JsonValue:
    if typed.multiple:
        return {key: leshan_value(typed.type, one) for key, one in typed.value.items()}
    return leshan_value(typed.type, typed.value)


async def run(devices: int = 8, objects: int = 0) -> Result:
    """Check the registry, or its first objects, with so many devices at once."""
    result = Result()
    started = time.monotonic()
    with leshan_server() as server, leshan_devices(server.coap_uri) as fleet:
        client = LeshanClient(server.url)
        try:
            specs = (await client.cold.get(f"{server.url}/objectspecs")).raise_for_status().json()
            ids = sorted({each["id"] for each in specs} - OURS)[: objects or None]
            members = [
                await asyncio.to_thread(fleet.create, f"registry-{n}", objects=[3, *ids[n::devices]])
                for n in range(devices)
            ]
            async with asyncio.TaskGroup() as tasks:
                for device in members:
                    models = {each.id: each for each in await client.object_models(device.name)}
                    told = (await client.cold.get(f"{server.url}/clients/{device.name}")).json()
                    tasks.create_task(Check(client, device, models, told["objectLinks"], result).run())
        finally:
            await client.aclose()
    result.seconds = time.monotonic() - started
    return result


def main() -> None:
    """Run, print what was done, and exit with 1 when there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.leshan.registry_run", description=__doc__)
    parser.add_argument("--devices", type=int, default=8, help="that are asked at once")
    parser.add_argument("--objects", type=int, default=0, help="check so many objects alone; 0 checks all")
    result = asyncio.run(run(**vars(parser.parse_args())))
    console = Console(soft_wrap=True)
    console.print(f"{result.objects} objects in {result.seconds:.0f} s: {dict(result.done)}", markup=False)
    console.print(f"values by type: {dict(result.types)}", markup=False)
    console.print("\n".join([*result.differences, f"{len(result.differences)} differences"]), markup=False)
    sys.exit(1 if result.differences else 0)


if __name__ == "__main__":
    main()
