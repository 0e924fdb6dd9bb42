"""A whole campaign of firmware updates on real processes: waves, an approval, a pause, an abort, and the retry of what
failed. Simulated devices sleep and wake at random, and some of them fail once."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.api import CREATE_PACKAGE
from tests.support.cluster import Cluster
from tests.support.waiting import eventually

VERSION: Final = "2.0.0"
FAILING: Final = 0.12
"""The share of devices whose first image is broken."""

AWAKE: Final = (20.0, 60.0)
ASLEEP: Final = (5.0, 30.0)
"""Seconds until a device that is awake updates its registration or sleeps, and until one that sleeps wakes."""

SLEEPING: Final = 0.5
"""How often a device sleeps then: nearly a fifth of them do at any time."""

MAX_RETRIES: Final = 5
"""Devices that had not begun when the campaign was aborted fail after the first retry."""

ABORT: Final = 10.0
"""The percentage of failures at which the campaign is aborted."""

CREATE: Final = "mutation($input: CampaignInput!) { createCampaign(input: $input) { id status } }"
ACT: Final = "mutation($id: ID!) {{ {0}(id: $id) {{ status }} }}"
PAUSE: Final = 'mutation($id: ID!) { pauseCampaign(id: $id, reason: "lunch") { status reason } }'
LOOK: Final = "query($id: ID!) { campaign(id: $id) { status reason wave counts { state count } } }"
_COUNTED: Final = """
    SELECT c.status, c.wave, c.waiting, c.running, c.succeeded, c.failed, c.canceled, c.skipped,
        count(*) FILTER (WHERE t.state = 'WAITING') AS waiting_targets,
        count(*) FILTER (WHERE t.state = 'RUNNING') AS running_targets,
        count(*) FILTER (WHERE t.state = 'SUCCEEDED') AS succeeded_targets,
        count(*) FILTER (WHERE t.state = 'FAILED') AS failed_targets,
        count(*) FILTER (WHERE t.state = 'CANCELED') AS canceled_targets,
        count(*) FILTER (WHERE t.state = 'SKIPPED') AS skipped_targets,
        coalesce(max(t.number) FILTER (WHERE t.attempts > 0), 0) AS begun_up_to, c.wave_ends
    FROM campaign c LEFT JOIN campaign_target t ON t.campaign_id = c.id GROUP BY c.id
"""
_STATES: Final = ("waiting", "running", "succeeded", "failed", "canceled", "skipped")


@dataclass(slots=True)
class CampaignRun:
    """One campaign of all devices of a cluster.

    Attributes:
        pace: the times of the devices, compared with :data:`AWAKE` and :data:`ASLEEP`.
        looks: how often the counts were compared with the targets, and by how many responses of the API.
        broken: what was not as it must be.
        seconds: how long each part took.
    """

    whole: Cluster
    count: int
    pace: float = 1.0
    looks: int = 0
    answers: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _id: str = ""

    async def run(self) -> None:
        """Run the campaign to its end, and judge it by the devices."""
        await self._prepare()
        waking = [asyncio.create_task(self._wake_forever()), asyncio.create_task(self._watch_forever())]
        try:
            await self._begin()
            await self._timed("to the approval", self._is("WAITING_FOR_APPROVAL"))
            await self._act("approveCampaignWave")
            await self._timed("to the second wave", self._wave(2))
            await self._ask(PAUSE)
            await self._act("resumeCampaign")
            await self._timed("to the abort", self._is("ABORTED"))
            await self._timed("to the end of running targets", self._quiet)
            aborted = await self._counts()
            if 100 * aborted["FAILED"] < ABORT * (aborted["FAILED"] + aborted["SUCCEEDED"]):
                self.broken.append(f"aborted with {aborted}")
            for number in range(1, MAX_RETRIES + 1):
                await self._act("retryCampaign")
                await self._timed(f"from retry {number} to the end", self._finished)
                counts = await self._counts()
                if not counts["FAILED"] + counts["CANCELED"]:
                    break
        finally:
            for task in waking:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._judge()

    async def _prepare(self) -> None:
        self._names = [f"fleet-{number:05}" for number in range(self.count)]
        sim = self.whole.sim
        for first in range(0, self.count, 1_000):
            body = {"names": self._names[first : first + 1_000], "queueMode": True}
            (await sim.post("/sim/devices", json=body)).raise_for_status()
        ordinary: dict[str, Any] = {"version": VERSION, "download_ms": 50, "update_ms": 50, "boot_ms": 100}
        (await sim.post("/sim/firmware", json=ordinary)).raise_for_status()
        failing = random.Random(1).sample(self._names, int(FAILING * self.count))
        for name in failing:
            body = {**ordinary, "fault": "integrity", "times": 1}
            (await sim.post("/sim/firmware", params={"ep": name}, json=body)).raise_for_status()
        await self.whole.wake(*self._names)
        await self.whole.known(self._names, "ONLINE")

    async def _begin(self) -> None:
        package = {"name": "image", "version": VERSION, "uri": f"http://192.0.2.1/image?version={VERSION}"}
        id_ = (await self._ask(CREATE_PACKAGE, input=package))["createFirmwarePackage"]["id"]
        given = {
            "name": "fleet",
            "filter": {"nameContains": "fleet-"},
            "firmware": {"packageId": id_},
            "waves": [
                {"percent": 5, "minSuccessPercent": 50, "approve": True},
                {"percent": 25, "minSuccessPercent": 50},
                {"percent": 70},
            ],
            "maxRunning": max(20, self.count // 10),
            "abort": {"failurePercent": ABORT, "minEnded": self.count // 5},
        }
        self._id = (await self._ask(CREATE, input=given))["createCampaign"]["id"]

    # --- devices and watchers

    async def _wake_forever(self) -> None:
        """Let each device wake at random times, and sleep after some of its wakes."""
        dice = random.Random(2)
        due = [(time.monotonic() + dice.uniform(0, self.pace * AWAKE[1]), name, False) for name in self._names]
        heapq.heapify(due)
        while True:
            now = time.monotonic()
            told: dict[str, list[str]] = {"sleep": [], "wake": []}
            while due[0][0] <= now:
                _, name, asleep = heapq.heappop(due)
                sleeps = not asleep and dice.random() < SLEEPING
                told["sleep" if sleeps else "wake"].append(name)
                heapq.heappush(due, (now + self.pace * dice.uniform(*(ASLEEP if sleeps else AWAKE)), name, sleeps))
            for verb, names in told.items():
                await self.whole.tell_all(verb, names)
            await asyncio.sleep(0.2)

    async def _watch_forever(self) -> None:
        """Compare the counts with the targets, in one statement, and by both API processes."""
        while True:
            for row in await self.whole.rows(_COUNTED):
                self._compare(dict(row))
            if self._id:
                for api in self.whole.apis:
                    counts = {
                        one["state"]: one["count"] for one in (await api.ask(LOOK, id=self._id))["campaign"]["counts"]
                    }
                    self.answers += 1
                    if sum(counts.values()) > self.count:
                        self.broken.append(f"more targets than endpoints: {counts}")
            await asyncio.sleep(0.3)

    def _compare(self, row: dict[str, Any]) -> None:
        self.looks += 1
        differing = {state for state in _STATES if row[state] != row[f"{state}_targets"]}
        if differing:
            self.broken.append(f"{differing} are counted wrongly: {row}")
        ends = [int(end) for end in row["wave_ends"].strip("[]").split(",")] if row["wave_ends"] else []
        if ends and row["begun_up_to"] > ends[row["wave"] - 1]:
            self.broken.append(f"target {row['begun_up_to']} began in wave {row['wave']} of {ends}")

    # --- the campaign

    async def _ask(self, document: str, **variables: Any) -> Any:
        if "$id" in document:
            variables["id"] = self._id
        return await random.choice(self.whole.apis).ask(document, **variables)

    async def _act(self, mutation: str) -> None:
        await self._ask(ACT.format(mutation))

    async def _campaign(self) -> dict[str, Any]:
        campaign: dict[str, Any] = (await self._ask(LOOK))["campaign"]
        return campaign

    async def _counts(self) -> Counter[str]:
        return Counter({one["state"]: one["count"] for one in (await self._campaign())["counts"]})

    def _is(self, status: str) -> Callable[[], Awaitable[bool]]:
        async def so() -> bool:
            return bool((await self._campaign())["status"] == status)

        return so

    def _wave(self, wave: int) -> Callable[[], Awaitable[bool]]:
        async def so() -> bool:
            return bool((await self._campaign())["wave"] >= wave)

        return so

    async def _finished(self) -> bool:
        return (await self._campaign())["status"] in {"COMPLETED", "ABORTED"} and await self._quiet()

    async def _quiet(self) -> bool:
        counts = await self._counts()
        return not counts["RUNNING"] and not counts["WAITING"]

    async def _timed(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        begun = time.monotonic()
        await eventually(condition, what, within=3_000, every=0.2)
        self.seconds[what] = time.monotonic() - begun

    async def _judge(self) -> None:
        counts = await self._counts()
        if counts["SUCCEEDED"] != self.count:
            self.broken.append(f"of {self.count} devices {counts}")
        devices = (await self.whole.sim.get("/sim/devices")).json()
        applied = Counter(device["firmware"]["applied"].get(VERSION, 0) for device in devices)
        if applied != {1: self.count}:
            self.broken.append(f"images applied, by devices: {applied}")
