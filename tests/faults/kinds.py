"""The faults by name: each begins, lasts, and is healed; a process that was killed is replaced."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.faults.plan import FROZEN_PAST_THE_LEASE, Fault, Plan
from tests.faults.site import Site, Slot


async def happen(site: Site, plan: Plan, fault: Fault) -> None:
    """Inject a fault, from its beginning to its end."""
    verb, _, role = fault.kind.partition("_")
    if fault.kind == FROZEN_PAST_THE_LEASE:
        await _freeze(site.of("dispatch")[fault.which], fault.seconds)
    elif verb == "kill":
        await _kill(site, _chosen(site.of(role), fault), fault.seconds)
    elif verb == "restart":
        await _restart(site, _chosen(site.of(role), fault))
    elif verb == "freeze":
        await _freeze(_chosen(site.of(role), fault), fault.seconds)
    else:
        await _OTHERS[fault.kind](site, plan, fault)


def _chosen(slots: list[Slot], fault: Fault) -> Slot:
    return slots[fault.which % len(slots)]


async def _kill(site: Site, slot: Slot, seconds: float) -> None:
    async with slot.lock:
        site.note_if_ended(slot)
        slot.process.kill()
        await asyncio.sleep(seconds)
        await site.replace(slot)


async def _restart(site: Site, slot: Slot) -> None:
    """Restart a process gracefully, as an upgrade does."""
    async with slot.lock:
        site.note_if_ended(slot)
        try:
            code = await asyncio.to_thread(slot.process.end)
        except subprocess.TimeoutExpired:
            slot.process.server.process.send_signal(signal.SIGUSR1)  # it writes its stack to its log
            await asyncio.sleep(0.2)
            site.gave_up.append(f"{slot.process.name} was told to end, and did not: {slot.process.log[-1_500:]}")
            slot.process.kill()
        else:
            if code:
                site.gave_up.append(f"{slot.process.name} was told to end, and ended with {code}")
        await site.replace(slot)


async def _freeze(slot: Slot, seconds: float) -> None:
    async with slot.lock:
        slot.process.server.freeze()
        await asyncio.sleep(seconds)
        slot.process.server.thaw()


async def _redis_stopped(site: Site, _: Plan, fault: Fault) -> None:
    async with site.lock("redis"):
        site.whole.valkey.server.kill()
        await asyncio.sleep(fault.seconds)
        site.whole.valkey.restart()


async def _redis_frozen(site: Site, _: Plan, fault: Fault) -> None:
    async with site.lock("redis"):
        site.whole.valkey.server.freeze()
        await asyncio.sleep(fault.seconds)
        site.whole.valkey.server.thaw()


async def _leshan_frozen(site: Site, _: Plan, fault: Fault) -> None:
    async with site.lock("leshan"):
        site.whole.simulator.server.freeze()
        await asyncio.sleep(fault.seconds)
        site.whole.simulator.server.thaw()


async def _leshan_restarted(site: Site, _: Plan, __: Fault) -> None:
    (await site.whole.sim.post("/sim/restart")).raise_for_status()


async def _leshan_never_answers(site: Site, _: Plan, fault: Fault) -> None:
    body = {"kind": "never", "times": 1 + fault.which % 8}
    (await site.whole.sim.post("/sim/behaviour", params={"server": "true"}, json=body)).raise_for_status()


def _after_delivery(**behaviour: Any) -> Callable[[Site, Plan, Fault], Awaitable[None]]:
    """Return a fault after which several devices execute their next request, and the response is lost."""

    async def fault(site: Site, plan: Plan, fault: Fault) -> None:
        for device in random.Random(fault.which).sample([*plan.devices, *plan.updated], 6):
            body = {**behaviour, "carry_out": True, "times": 1}
            (await site.whole.sim.post("/sim/behaviour", params={"ep": device}, json=body)).raise_for_status()

    return fault


_OTHERS: Final[dict[str, Callable[[Site, Plan, Fault], Awaitable[None]]]] = {
    "redis_stopped": _redis_stopped,
    "redis_frozen": _redis_frozen,
    "postgres_sessions_ended": lambda site, _, __: site.end_sessions(),
    "postgres_restarted": lambda site, _, fault: site.end_postgres(signal.SIGINT, fault.seconds),
    "postgres_crashed": lambda site, _, fault: site.end_postgres(signal.SIGQUIT, fault.seconds),
    "leshan_frozen": _leshan_frozen,
    "leshan_restarted": _leshan_restarted,
    "leshan_never_answers": _leshan_never_answers,
    "leshan_closes_after_delivery": _after_delivery(kind="close"),
    "leshan_resets_after_delivery": _after_delivery(kind="reset"),
    "proxy_502_after_delivery": _after_delivery(kind="http", status=502),
    "answer_unreadable": _after_delivery(kind="unreadable"),
}
