"""Access the resources of the object registry through Reveille and our Leshan server.

Run it with ``python -m tests.support.leshan.registry_run`` (``--help``).

Real LwM2M clients hold an instance of each object that the server knows. Each resource is read as the device sets it,
written and read back, or executed: by operations that are created over GraphQL, sent by the dispatcher, and compared
with the values that the device holds. Each value that was read must be the newest reading of its resource.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from app.domain.enums import ValueType
from app.domain.object_models import ObjectModel, ResourceModel
from app.domain.values import TypedValue
from app.leshan.client import LeshanClient
from app.models.database import migrate
from app.telemetry import configure_logging
from tests.contract.leshan.values import VALUES, equal, in_leshans_form, number_of
from tests.support.api import Api
from tests.support.leshan.devices import Device
from tests.support.leshan.launch import leshan_devices, leshan_server
from tests.support.leshan_world import LeshanWorld

OURS: Final = frozenset({0, 1, 2, 3, 5, 6, 21, 3303, 3442})
"""Objects that the test devices have by themselves, with their own values, or not at all."""

PATIENCE: Final = 30
TOGETHER: Final = 40
"""Operations per mutation."""

CREATE: Final = """
mutation ($inputs: [CreateDeviceOperationInput!]!) { createDeviceOperations(inputs: $inputs) { operation { id } } }"""
ENDS: Final = """
query ($batch: String!, $first: Int!) {
  deviceOperations(filter: {batch: $batch}, first: $first) {
    edges { node { id status reason detail waitingFor answer } }
  }
}"""
READINGS: Final = """
query ($endpoint: String!, $first: Int!) {
  readings(endpoint: $endpoint, first: $first) { edges { node { path type value number } } }
}"""

INPUTS: Final = {
    ValueType.STRING: "string",
    ValueType.INTEGER: "integer",
    ValueType.UNSIGNED_INTEGER: "unsignedInteger",
    ValueType.FLOAT: "float",
    ValueType.BOOLEAN: "boolean",
    ValueType.OPAQUE: "opaque",
    ValueType.TIME: "time",
    ValueType.OBJLNK: "objectLink",
    ValueType.CORELINK: "coreLink",
}
"""The field of ResourceValueInput for each type."""

Json = dict[str, Any]


@dataclass
class Result:
    """Counts of the steps, by operation, and a sentence for each difference."""

    objects: int = 0
    done: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Step:
    """One operation. ``typed`` is the value of a WRITE, and the expected value of a READ."""

    kind: str
    path: str
    typed: TypedValue | None = None


@dataclass
class Check:
    """The check of one device with some of the objects, through Reveille's API."""

    api: Api
    device: Device
    models: dict[int, ObjectModel]
    result: Result

    async def run(self) -> None:
        """Check every resource of the device's registry objects, with one value of each resource at a time."""
        for model in self.models.values():
            if model.id in OURS:
                continue
            self.result.objects += 1
            resources = model.resources.values()
            steps = [[*self._steps(f"/{model.id}/0/{resource.id}", resource)] for resource in resources]
            for wave in itertools.zip_longest(*steps, fillvalue=[]):
                for start in range(0, len(wave), TOGETHER // 2):
                    await self._check([*itertools.chain.from_iterable(wave[start : start + TOGETHER // 2])])

    def _steps(self, path: str, resource: ResourceModel) -> Iterator[list[Step]]:
        """Yield the operations of one resource, with each of its values."""
        operations = resource.operations
        if operations == "E":
            yield [Step("EXECUTE", path)]
        elif resource.type is not None:
            for typed in _values(resource.type, resource.multiple):
                self.result.types[str(resource.type)] += 1
                first = "WRITE" if "W" in operations else "SET"
                yield [Step(first, path, typed), *([Step("READ", path, typed)] if "R" in operations else [])]

    async def _check(self, steps: list[Step]) -> None:
        for step in steps:
            self.result.done[step.kind] += 1
            if step.kind == "SET" and step.typed is not None:
                await asyncio.to_thread(self.device.notify, step.path, in_leshans_form(step.typed))
        steps = [step for step in steps if step.kind != "SET"]
        if not steps:
            return
        for step, end in zip(steps, await self._ends(steps), strict=True):
            if end["status"] != "CONFIRMED":
                self.result.differences.append(f"{step}: {end}")
            elif step.kind == "READ" and step.typed and end["answer"] != {step.path: step.typed.value}:
                self.result.differences.append(f"{step}: {end['answer']} was read")
            elif step.kind == "WRITE" and step.typed:
                held = await asyncio.to_thread(self.device.value, step.path)
                if held is None or not equal(held, step.typed):
                    self.result.differences.append(f"{step}: {held} is held")
        await self._check_readings([step for step in steps if step.kind == "READ"])

    async def _check_readings(self, reads: list[Step]) -> None:
        """Check the newest readings of the device: these operations alone made them."""
        if not reads:
            return
        page = (await self.api.ask(READINGS, endpoint=self.device.name, first=len(reads)))["readings"]
        found = {edge["node"]["path"]: edge["node"] for edge in page["edges"]}
        for step in reads:
            self.result.done["reading"] += 1
            if step.typed is None:
                continue
            facts = {"path": step.path, "type": str(step.typed.type), "value": step.typed.value}
            if found.get(step.path) != {**facts, "number": number_of(step.typed)}:
                self.result.differences.append(f"{step}: the reading is {found.get(step.path)}")

    async def _ends(self, steps: list[Step]) -> list[Json]:
        """Create the operations, which are sent in this order, and wait until all have ended."""
        batch = str(uuid.uuid4())
        created = await self.api.ask(CREATE, inputs=[self._input(step, batch) for step in steps])
        ids = [one["operation"]["id"] for one in created["createDeviceOperations"]]
        async with asyncio.timeout(PATIENCE * len(steps)):
            while True:
                found = (await self.api.ask(ENDS, batch=batch, first=len(steps)))["deviceOperations"]["edges"]
                ends = {edge["node"].pop("id"): edge["node"] for edge in found}
                if all(end["status"] not in ("QUEUED", "SENDING") for end in ends.values()):
                    return [ends[id_] for id_ in ids]
                await asyncio.sleep(0.1)
                if any(end["waitingFor"] == "DEVICE_WAKE" for end in ends.values()):
                    await asyncio.sleep(1)  # an EXECUTE of this object makes the device go down: it comes back
                    await asyncio.to_thread(self.device.wake)

    def _input(self, step: Step, batch: str) -> Json:
        value = {"value": _input_of(step.typed)} if step.kind == "WRITE" and step.typed else {}
        names = {"endpoint": self.device.name, "kind": step.kind, "path": step.path, "batch": batch}
        return {**names, **value, "validateRange": False, "timeoutSeconds": PATIENCE}


def _values(type_: ValueType, multiple: bool) -> Iterator[TypedValue]:
    values = VALUES[type_][:2]
    if multiple:
        yield TypedValue(type_, dict(zip(("0", "7"), values, strict=False)))
    else:
        yield from (TypedValue(type_, value) for value in values)


def _input_of(typed: TypedValue) -> Json:
    """Return a value as ResourceValueInput."""
    if typed.multiple:
        instances = [{"id": int(id_), "value": {INPUTS[typed.type]: one}} for id_, one in typed.value.items()]
        return {"multiple": instances}
    return {INPUTS[typed.type]: typed.value}


async def run(devices: int = 8, objects: int = 0) -> Result:
    """Check the registry, or its first objects, with so many devices at once."""
    result = Result()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, leshan_server() as server, leshan_devices(server.coap_uri) as fleet:
        url = f"sqlite://{Path(folder) / 'reveille.sqlite3'}"
        await migrate(url)
        client = LeshanClient(server.url)
        async with contextlib.aclosing(client), LeshanWorld.begin(url, server, fleet) as world, world.graphql() as api:
            specs = (await client.cold.get(f"{server.url}/objectspecs")).raise_for_status().json()
            ids = sorted({each["id"] for each in specs} - OURS)[: objects or None]
            members = [await world.device(f"registry-{n}", objects=[3, *ids[n::devices]]) for n in range(devices)]
            async with asyncio.TaskGroup() as tasks:
                for device in members:
                    models = {each.id: each for each in await client.object_models(device.name)}
                    tasks.create_task(Check(api, device, models, result).run())
    result.seconds = time.monotonic() - started
    return result


def main() -> None:
    """Run, print the counts, and exit with 1 if there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.leshan.registry_run", description=__doc__)
    parser.add_argument("--devices", type=int, default=8, help="that are asked at once")
    parser.add_argument("--objects", type=int, default=0, help="check so many objects alone; 0 checks all")
    arguments = parser.parse_args()
    configure_logging(level="warning")
    result = asyncio.run(run(**vars(arguments)))
    console = Console(soft_wrap=True)
    console.print(f"{result.objects} objects in {result.seconds:.0f} s: {dict(result.done)}", markup=False)
    console.print(f"values by type: {dict(result.types)}", markup=False)
    console.print("\n".join([*result.differences, f"{len(result.differences)} differences"]), markup=False)
    sys.exit(1 if result.differences else 0)


if __name__ == "__main__":
    main()
