"""Firmware updates in a run: what is planned, how they are requested, and what must hold at their end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.cluster import Cluster

Json = dict[str, Any]

DEVICES: Final = 4

UPDATE_FIRMWARE: Final = (
    "mutation($endpoint: String!, $id: ID!) { updateFirmware(endpoint: $endpoint, packageId: $id) { id } }"
)

_FAULTS: Final[dict[str | None, str]] = {
    None: "SUCCEEDED",
    "power_cut": "SUCCEEDED",
    "power_cut_idle": "SUCCEEDED",
    "connection_lost": "SUCCEEDED",
    "download_lost": "SUCCEEDED",
    "package_lost": "SUCCEEDED",
    "deferred": "SUCCEEDED",
    "disappears": "SUCCEEDED",
    "not_enough_flash": "NOT_ENOUGH_FLASH",
    "out_of_memory": "OUT_OF_RAM",
    "integrity": "INTEGRITY_CHECK_FAILED",
    "invalid_uri": "INVALID_URI",
    "unsupported_protocol": "UNSUPPORTED_PROTOCOL",
    "update_failed": "UPDATE_FAILED",
    "update_failed_idle": "UPDATE_FAILED",
    "old_version": "WRONG_VERSION",
}
"""How an update ends, by the one failure of its device."""

_UNANSWERED: Final = frozenset({"NO_ANSWER", "INTERRUPTED", "STATE_LOST"})
"""Ends that too many lost answers have."""

_OF_DOWNLOADS: Final = frozenset(
    {"NOT_ENOUGH_FLASH", "OUT_OF_RAM", "INTEGRITY_CHECK_FAILED", "INVALID_URI", "UNSUPPORTED_PROTOCOL"}
)
"""Ends by the device's Update Result after the delivery. If the answer to the delivery is lost, the result may be that
of an earlier update, so that the package is delivered again; and the device fails only once."""

_UPDATES: Final = """
    SELECT u.state, u.reason, u.detail, u.executions, e.name, e.update_id,
        EXISTS (
            SELECT 1 FROM operation o
            WHERE o.fleet_id = u.id AND o.path = '/5/0/1' AND o.delivery = 'MAY_HAVE_REACHED'
        ) AS delivery_lost
    FROM firmware_update u JOIN endpoint e ON e.id = u.endpoint_id WHERE e.name = ANY($1::text[])
"""


@dataclass(frozen=True, slots=True)
class Update:
    """The firmware update of one device, which no batch and no deletion concerns."""

    at: float
    device: str
    behaviour: Json = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """How it ends, if answers are not lost again and again."""
        return _FAULTS[self.behaviour.get("fault")]


def planned(dice: random.Random, seed: int, span: float) -> list[Update]:
    """Return the updates of a run."""
    return [Update(dice.uniform(0, span), f"updated-{seed}-{number}", _behaviour(dice)) for number in range(DEVICES)]


def _behaviour(dice: random.Random) -> Json:
    fault = dice.choice([None, *_FAULTS])
    behaviour: Json = {
        "download_ms": dice.choice((0, 200, 1_500)),
        "downloaded_ms": dice.choice((0, 300)),
        "update_ms": dice.choice((0, 200, 1_500)),
        "boot_ms": dice.choice((100, 1_000)),
        "reports": dice.choice(("never", "once", "once", "twice")),
        "report_delay_ms": dice.choice((0, 0, 500)),
    }
    return behaviour if fault is None else behaviour | {"fault": fault, "times": 1}


def package_of(seed: int) -> Json:
    """Return the input of the package of a run. Simulated devices take the version from the address."""
    version = f"2.0.{seed}"
    return {"name": f"seed {seed}", "version": version, "uri": f"https://url.com/image?version={version}"}


async def violations(whole: Cluster, updates: list[Update], version: str) -> list[str]:
    """Compare the updates with what the devices counted."""
    rows = {row["name"]: row for row in await whole.rows(_UPDATES, [update.device for update in updates])}
    states = {device["endpoint"]: device for device in (await whole.sim.get("/sim/devices")).json()}
    return [
        breach
        for update in updates
        for breach in _violations(update, rows.get(update.device), states[update.device]["firmware"], version)
    ]


def _violations(update: Update, row: Any, counts: Json, version: str) -> Iterator[str]:
    name = f"the update of {update.device} ({update.behaviour})"
    if row is None:
        yield f"{name} was answered and is not there"
        return
    end = row["state"] if row["state"] == "SUCCEEDED" else row["reason"]
    story = f"{row['state']} {row['reason']} ({row['detail']}), the device counts {counts}"
    applied = counts["applied"].get(version, 0)
    repeated = row["delivery_lost"] and update.expected in _OF_DOWNLOADS and end == "SUCCEEDED"
    if end != update.expected and end not in _UNANSWERED and not repeated:
        yield f"{name} should have ended {update.expected}, and is {story}"
    if applied > 1:
        yield f"{name} was applied {applied} times: {story}"
    if row["state"] == "SUCCEEDED" and applied != 1:
        yield f"{name} succeeded without being applied: {story}"
    if row["update_id"] is not None:
        yield f"{name} has ended, and its endpoint still has it"
