"""One run: operations are created, devices act, faults happen; then all is healed, everything ends, and is checked."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.models import invariant_check
from tests.faults import checks, updates
from tests.faults.kinds import happen
from tests.faults.plan import Batch, Deletion, FilterBatch, Json, Move, Plan
from tests.faults.site import Site, Unanswered
from tests.faults.subscribers import watchers
from tests.faults.updates import UPDATE_FIRMWARE, package_of
from tests.support.api import CREATE, CREATE_PACKAGE
from tests.support.cluster import Cluster, key

ANSWERED_WITHIN: Final = 180.0
ENDED_WITHIN: Final = 180.0
"""Bounds: every expected event takes less, and no verdict depends on their size."""

SUBSCRIBERS: Final = 2
REGISTRATION_EVERY: Final = 4
"""Rounds of wakes until a device registers again: one that went down after a turn-ender returns only then."""

CREATE_FOR: Final = """
  mutation($filter: EndpointFilter!, $input: DeviceOperationTemplateInput!, $batch: String!) {
    createDeviceOperationsFor(filter: $filter, input: $input, batch: $batch) { created passedOver }
  }
"""
CREATE_RULE: Final = "mutation($input: ObservationRuleInput!) { createObservationRule(input: $input) { id } }"
DELETE_ENDPOINT: Final = "mutation($name: String!) { deleteEndpoint(name: $name) }"
DELETE_RULE: Final = "mutation($id: ID!) { deleteObservationRule(id: $id) }"
_UNFINISHED: Final = """
    SELECT DISTINCT e.name FROM operation o JOIN endpoint e ON e.id = o.endpoint_id
    WHERE o.finished_at IS NULL AND e.name = ANY($1::text[])
    UNION SELECT e.name FROM endpoint e JOIN leshan_server s ON s.id = e.server_id
    WHERE e.rules_seq < s.rules_seq AND e.name = ANY($1::text[])
    UNION SELECT e.name FROM endpoint e WHERE e.update_id IS NOT NULL AND e.name = ANY($1::text[])
"""
"""Devices with an operation or a firmware update that has not ended, or with observation rules that have to be
applied."""

_LEFT: Final = """
    SELECT DISTINCT e.name FROM observation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = ANY($1::text[])
"""

_DELETED: Final = "SELECT DISTINCT name FROM endpoint WHERE deleted_at IS NOT NULL AND name = ANY($1::text[])"


@dataclass
class Result:
    """The result of a run."""

    seed: int
    seconds: float = 0.0
    ends: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    reconnections: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass
class _Promises:
    """The responses to the clients."""

    ids: set[str] = field(default_factory=set)
    perhaps: int = 0
    """Number of operations in batches without keys or response: each batch is stored wholly or not at all."""
    counted: dict[str, int] = field(default_factory=dict)
    """Number of operations in batches of a filter, by name."""
    broken: list[str] = field(default_factory=list)


async def run(site: Site, plan: Plan) -> Result:
    """Execute a plan. Its devices are removed afterwards, and the site is healed."""
    begun, whole = time.monotonic(), site.whole
    await _devices(site, plan)
    (first, *_) = site.of("api")
    cursor = (await site.ask(first, "{ transitionCursor }"))["transitionCursor"]
    promises = _Promises()
    rule = await _observe(site, plan) if plan.observed else None
    given = package_of(plan.seed)
    package = (await site.ask(first, CREATE_PACKAGE, input=given))["createFirmwarePackage"]["id"]
    async with watchers(site, cursor, SUBSCRIBERS) as watching:
        await _trouble(site, plan, promises, package)
        await site.heal()
        if rule is not None:
            await site.ask(first, DELETE_RULE, id=rule)
        stuck = await _let_everything_end(site, plan)
        evidence = await checks.gather(whole, plan.all_devices)
        await _all_seen([watcher.seen for watcher in watching], len(evidence.transitions))
    broken = [*site.gave_up, *promises.broken, *stuck, *_unkept(promises, evidence), *checks.breaches(evidence)]
    broken += [breach for watcher in watching for breach in checks.unseen(evidence, watcher)]
    broken += await updates.violations(whole, plan.updates, given["version"])
    broken += await invariant_check.violations(whole.settings["database_url"])  # `reveille check` without its process
    broken += [f"{row['name']} has observations of a deleted rule" for row in await whole.rows(_LEFT, plan.devices)]
    broken += await _come_back(whole, [deletion.device for deletion in plan.deletions])
    for device in plan.all_devices:
        (await whole.sim.delete("/sim/devices", params={"ep": device})).raise_for_status()
    return Result(
        seed=plan.seed,
        seconds=time.monotonic() - begun,
        ends=dict(evidence.ends()),
        faults=dict(Counter(fault.kind for fault in plan.faults)),
        attempts=sum(map(len, evidence.received.values())),
        reconnections=sum(watcher.connections - 1 for watcher in watching),
        broken=broken,
    )


async def _observe(site: Site, plan: Plan) -> str:
    """Create an observation rule for the devices of a plan, and return its id."""
    given = {
        "name": f"seed {plan.seed}",
        "filter": {"nameContains": f"s{plan.seed}-"},
        "paths": ["/3303/*/5700", "/3/0/9"],
        "attributes": {"pmin": 0, "pmax": 600},
        "readPaths": ["/3/0/0"],
    }
    rule = await site.ask(site.of("api")[0], CREATE_RULE, input=given)
    return str(rule["createObservationRule"]["id"])


async def _come_back(whole: Cluster, devices: list[str]) -> list[str]:
    """Register the devices of deleted endpoints, which creates new endpoints; return those that were not deleted."""
    deleted = {row["name"] for row in await whole.rows(_DELETED, devices)}
    for device in devices:
        await whole.tell("register", device)
    await whole.known(devices, "ONLINE")
    return [f"{device} was answered as deleted, and is not" for device in devices if device not in deleted]


async def _devices(site: Site, plan: Plan) -> None:
    whole = site.whole
    for names, queue_mode in (([*plan.awake], False), ([d for d in plan.all_devices if d not in plan.awake], True)):
        body = {"names": names, "queueMode": queue_mode}
        (await whole.sim.post("/sim/devices", json=body)).raise_for_status()
    for update in plan.updates:
        answer = await whole.sim.post("/sim/firmware", params={"ep": update.device}, json=update.behaviour)
        answer.raise_for_status()
    await whole.wake(*plan.all_devices)
    await whole.known(plan.all_devices, "ONLINE")


async def _trouble(site: Site, plan: Plan, promises: _Promises, package: str) -> None:
    client = _Client(site, plan, promises, datetime.now(UTC))
    async with asyncio.TaskGroup() as tasks:
        for batch in plan.batches:
            tasks.create_task(_at(batch.at, client.create, batch))
        for one in plan.filter_batches:
            tasks.create_task(_at(one.at, client.create_for_each, one))
        for deletion in plan.deletions:
            tasks.create_task(_at(deletion.at, client.create_and_delete, deletion))
        for update in plan.updates:
            tasks.create_task(_at(update.at, client.update_firmware, update.device, package))
        for move in plan.moves:
            tasks.create_task(_at(move.at, _move, site, move))
        for fault in plan.faults:
            tasks.create_task(_at(fault.at, happen, site, plan, fault))


async def _at(seconds: float, act: Any, *arguments: Any) -> None:
    await asyncio.sleep(seconds)
    await act(*arguments)


async def _move(site: Site, move: Move) -> None:
    await site.whole.tell(move.verb, move.device, **move.body)


# --- creating


@dataclass
class _Client:
    """Creates the operations of a plan at its API processes, and notes what they answered."""

    site: Site
    plan: Plan
    promises: _Promises
    begun: datetime

    async def create(self, batch: Batch) -> None:
        clients = range(1 + batch.twice)
        inputs = [self._dated(one) for one in batch.inputs]
        answers = await asyncio.gather(
            *(self._answered(f"{batch.at}/{number}", CREATE, keyed=batch.keyed, inputs=inputs) for number in clients)
        )
        created = [answer and _ids(answer) for answer in answers]
        for ids in created:
            if ids is None:
                self.promises.perhaps += len(batch.inputs)
            else:
                self.promises.ids.update(ids)
                if ids != created[0]:
                    self.promises.broken.append(f"the same idempotency keys were answered {ids} and {created[0]}")

    async def create_for_each(self, batch: FilterBatch) -> None:
        given = {"filter": {"nameContains": f"s{self.plan.seed}-"}, "input": self._dated(batch.template)}
        answers = await asyncio.gather(
            *(
                self._answered(f"{batch.at}/{number}", CREATE_FOR, keyed=True, batch=batch.name, **given)
                for number in range(1 + batch.twice)
            )
        )
        for answer in answers:
            payload = answer and answer["createDeviceOperationsFor"]
            if payload and payload["created"] + payload["passedOver"] != len(self.plan.devices):
                self.promises.broken.append(f"batch {batch.name} was answered {payload}")
            self.promises.counted[batch.name] = payload["created"] if payload else 0

    async def create_and_delete(self, deletion: Deletion) -> None:
        await self.create(Batch(deletion.at, deletion.inputs, twice=False))
        await self._delete(deletion.device)

    async def _delete(self, device: str) -> None:
        """Delete an endpoint; repeat it while a call is open, and after a request without a response."""
        deleted = unanswered = False
        async with asyncio.timeout(ANSWERED_WITHIN):
            while not deleted:
                try:
                    await self.site.ask(self.site.of("api")[0], DELETE_ENDPOINT, name=device)
                    deleted = True
                except Unanswered:
                    unanswered = True
                except ValueError as error:
                    deleted = unanswered and "NOT_FOUND" in str(error)
                    if not deleted and "CONFLICT" not in str(error):
                        self.promises.broken.append(f"the deletion of {device} was refused: {error}")
                        return
                await asyncio.sleep(0.2)

    async def update_firmware(self, device: str, package: str) -> None:
        """Request the update of a device; a conflict says that a request without a response was carried out."""
        async with asyncio.timeout(ANSWERED_WITHIN):
            while True:
                try:
                    await self.site.ask(self.site.of("api")[0], UPDATE_FIRMWARE, endpoint=device, id=package)
                except Unanswered:
                    await asyncio.sleep(0.2)
                except ValueError as error:
                    if "CONFLICT" not in str(error):
                        self.promises.broken.append(f"the update of {device} was refused: {error}")
                    return
                else:
                    return

    def _dated(self, one: Json) -> Json:
        """Return an input with its time as a DateTime."""
        if "notBefore" not in one:
            return one
        return {**one, "notBefore": (self.begun + timedelta(seconds=one["notBefore"])).isoformat()}

    async def _answered(self, which: str, document: str, *, keyed: bool, **variables: Any) -> Json | None:
        """Return the data of a client's response; if the request can be repeated, retry until there is one, at either
        API process."""
        dice = random.Random(f"{self.plan.seed}/{which}")
        async with asyncio.timeout(ANSWERED_WITHIN):
            while True:
                try:
                    return await self.site.ask(dice.choice(self.site.of("api")), document, **variables)
                except Unanswered:
                    if not keyed:
                        return None
                    await asyncio.sleep(0.2)
                except ValueError as error:
                    self.promises.broken.append(f"a client was refused: {error}")
                    return None


def _ids(answer: Json) -> list[str]:
    return [key(payload["operation"]["id"]) for payload in answer["createDeviceOperations"]]


def _unkept(promises: _Promises, evidence: checks.Evidence) -> list[str]:
    of_nothing = ("batch", "rule_id", "fleet_id")
    there = {id_ for id_, row in evidence.operations.items() if all(row[name] is None for name in of_nothing)}
    counted = Counter(row["batch"] for row in evidence.operations.values() if row["batch"] is not None)
    broken = [
        f"batch {name} was answered {count}, and has {counted[name]} operations"
        for name, count in promises.counted.items()
        if count != counted[name]
    ]
    broken += [f"operation {id_} was answered and is not there" for id_ in promises.ids - there]
    unasked = there - promises.ids
    if len(unasked) > promises.perhaps:
        broken.append(f"{len(unasked)} operations are there that nobody was told of, of at most {promises.perhaps}")
    keyed = [id_ for id_ in unasked if evidence.operations[id_]["key"] is not None]
    return [*broken, *(f"operation {id_} has a key, and its client was told of another" for id_ in keyed)]


# --- ending


async def _let_everything_end(site: Site, plan: Plan) -> list[str]:
    """Wake devices until all operations have ended; return an error for those that do not end in time."""
    deadline, rounds = time.monotonic() + ENDED_WITHIN, 0
    while waiting := [row["name"] for row in await site.whole.rows(_UNFINISHED, plan.all_devices)]:
        if time.monotonic() > deadline:
            return [f"operations of {waiting} do not end"]
        rounds += 1
        states = {device["endpoint"]: device for device in (await site.whole.sim.get("/sim/devices")).json()}
        for name in waiting:
            anew = rounds % REGISTRATION_EVERY == 0 and not states[name]["openCalls"]
            await site.whole.tell("register" if anew else "wake", name)
        await asyncio.sleep(0.7)
    return []


async def _all_seen(seen: list[list[Any]], count: int) -> None:
    """Wait a while for subscribers that are behind; a remaining difference is reported by the check."""
    deadline = time.monotonic() + 20
    while any(len(one) < count for one in seen) and time.monotonic() < deadline:  # noqa: ASYNC110 - of other processes
        await asyncio.sleep(0.05)
