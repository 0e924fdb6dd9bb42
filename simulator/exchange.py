"""One request on its way to a device and back: configured behaviors, sleep, delay, timeout, the device's response."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

import orjson

from simulator.behaviours import SILENT, SUCCESS, Behaviour, Kind
from simulator.client import perform
from simulator.config import Mode, SimulatorConfig
from simulator.device import Delayed, Device, Received, Request
from simulator.events import Events
from simulator.fleet import Fleet, Interruption, settle
from simulator.models import Json
from simulator.responses import JSON, HttpResponse, Refused, status_text


class Exchange:
    """Sends requests to devices. ``counters`` counts outcomes over all devices."""

    def __init__(self, config: SimulatorConfig, fleet: Fleet, events: Events) -> None:
        self._config = config
        self._fleet = fleet
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()
        fleet.woken = self._send_delayed
        self.counters: Counter[str] = Counter()

    async def send(self, device: Device, request: Request, received: Received) -> HttpResponse | Behaviour:
        """Send a request to a registered device. Return a behavior if something else than the device must respond."""
        behaviour = device.behaviours.peek(request.kind, request.texts()) if device.behaviours else None
        if behaviour is not None and not behaviour.of_the_device:
            device.behaviours.take(request.kind, request.texts())
            if behaviour.kind is Kind.DELAYED:
                held = self._delay(device, request, received)
                await asyncio.sleep((behaviour.delay_ms or 0) / 1000)
                return held
            return behaviour
        if not device.callable:
            return self._asleep(device, request, received)
        return await self._send(device, request, received)

    def carry_out(self, device: Device, request: Request, received: Received) -> bytes:
        """Hand the request to the device, which carries it out; return the JSON of its response."""
        self._handed_over(device, received)
        try:
            code, rest = perform(self._fleet, device, request, self._config.max_body_bytes)
        except Refused as refusal:
            return _refusal(refusal.code, refusal.text)
        received.carried_out = True
        device.counters["carriedOut"] += 1
        return _success(code, rest)

    async def close(self) -> None:
        """Wait for delayed requests that are on their way; their waits have been ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    # --- asleep

    def _asleep(self, device: Device, request: Request, received: Received) -> HttpResponse:
        if self._config.mode is Mode.M16:
            return asleep_of_m16()
        if self._config.mode is Mode.REVEILLE:
            return client_sleeping(device.name)
        return self._delay(device, request, received)

    def _delay(self, device: Device, request: Request, received: Received) -> HttpResponse:
        """Keep the request for the next wake; one that was kept is dropped silently."""
        delayed = Delayed(request, device.dice.uuid(), received)
        device.delayed = delayed
        self.counters["delayed"] += 1
        target = _target(request)
        body = {"ep": device.name, **target, "requestId": delayed.request_id, "delayed": True}
        return HttpResponse(200, orjson.dumps(body), JSON)

    def _send_delayed(self, device: Device) -> None:
        delayed, device.delayed = device.delayed, None
        if delayed is not None:
            task = asyncio.get_running_loop().create_task(self._deliver(device, delayed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, device: Device, delayed: Delayed) -> None:
        answer = await self._send(device, delayed.request, delayed.received)
        delayed.received.status = answer.status
        if answer.status == 200:
            target = _target(delayed.request)
            self._events.responded(device, target, delayed.request_id, orjson.Fragment(answer.body))

    # --- awake

    async def _send(self, device: Device, request: Request, received: Received) -> HttpResponse:
        behaviour = self._device_behaviour(device, request)
        delay = device.dice.within(self._config.answer_seconds)
        if behaviour.delay_ms is not None:
            delay = behaviour.delay_ms / 1000
        silent = behaviour.kind is Kind.SILENT
        if silent or delay >= request.timeout_seconds:
            if behaviour.carries_out:
                after = (behaviour.carry_out_after_ms or 0) / 1000 if silent else delay
                asyncio.get_running_loop().call_later(after, self.carry_out, device, request, received)
            return await self._time_out(device, request)
        if delay and not await self._pause(device, delay):
            return _cancelled("registration of the device has changed")
        return self._answer(device, request, received, behaviour)

    def _device_behaviour(self, device: Device, request: Request) -> Behaviour:
        configured = self._configured(device, request)
        if device.deaf:
            return configured if configured is not None and configured.kind is Kind.SILENT else SILENT
        if configured is not None:
            return configured
        config = self._config
        if config.silent_rate and device.dice.share() < config.silent_rate:
            return SILENT
        if config.refuse_rate and device.dice.share() < config.refuse_rate:
            return Behaviour(kind=Kind.REFUSE, code=500, text="refused by chance")
        return SUCCESS

    @staticmethod
    def _configured(device: Device, request: Request) -> Behaviour | None:
        """Return the device's configured behavior; behaviors of the server or wire do not apply to a request that
        Leshan held."""
        wanted = request.kind, request.texts()
        next_one = device.behaviours.peek(*wanted) if device.behaviours else None
        return device.behaviours.take(*wanted) if next_one is not None and next_one.of_the_device else None

    async def _time_out(self, device: Device, request: Request) -> HttpResponse:
        if not await self._pause(device, request.timeout_seconds):
            return _cancelled("registration of the device has changed")
        self.counters["timeouts"] += 1
        self._fleet.taken_asleep(device)
        return HttpResponse(504, b"Request timeout")

    async def _pause(self, device: Device, seconds: float) -> bool:
        """Wait; return whether the time elapsed. An HTTP client that disconnects ends nothing: Leshan continues."""
        loop = asyncio.get_running_loop()
        wait: asyncio.Future[Interruption] = loop.create_future()
        timer = loop.call_later(seconds, settle, wait, Interruption.ELAPSED)
        device.waits.add(wait)
        try:
            return await wait is Interruption.ELAPSED
        finally:
            timer.cancel()
            device.waits.discard(wait)

    def _answer(self, device: Device, request: Request, received: Received, behaviour: Behaviour) -> HttpResponse:
        kind = behaviour.kind
        body = b""
        if behaviour.carries_out:
            body = self.carry_out(device, request, received)
        elif behaviour.hands_over:
            self._handed_over(device, received)
        if kind in {Kind.SUCCESS, Kind.REFUSE, Kind.NONSENSE}:
            self._fleet.answered(device)
        if kind is Kind.REFUSE:
            return HttpResponse(200, _refusal(behaviour.code, behaviour.text or None), JSON)
        if kind is Kind.SUCCESS:
            return HttpResponse(200, body, JSON)
        return HttpResponse(500, (_FAILURES[kind] + (behaviour.text or _REASONS[kind])).encode())

    def _handed_over(self, device: Device, received: Received) -> None:
        received.handed_over = True
        device.counters["handedOver"] += 1


_FAILURES: Final[Mapping[Kind, str]] = {
    Kind.NONSENSE: "Invalid Response: ",
    Kind.REJECTED: "Request rejected: ",
    Kind.CANCELLED: "Request cancelled: ",
    Kind.UNEXPECTED: "Unexpected exception: ",
}
_REASONS: Final[Mapping[Kind, str]] = {
    Kind.NONSENSE: "Unable to decode response payload of the device",
    Kind.REJECTED: "Request rejected by the device (RST)",
    Kind.CANCELLED: "Request cancelled",
    Kind.UNEXPECTED: "simulated",
}


def _cancelled(why: str) -> HttpResponse:
    return HttpResponse(500, f"Request cancelled: {why}".encode())


def asleep_of_m16() -> HttpResponse:
    """Return the response of a stock Leshan up to M16 for a client that sleeps."""
    return HttpResponse(400, b"Invalid request: The destination client is sleeping, request cannot be sent.")


def client_sleeping(name: str) -> HttpResponse:
    """Return the response of Reveille's own Leshan server for a client that sleeps."""
    body = {
        "code": "CLIENT_SLEEPING",
        "text": f"Client {name} is sleeping, nothing was sent",
        "delivery": "NOT_SENT",
    }
    return HttpResponse(409, orjson.dumps(body), JSON)


def _target(request: Request) -> dict[str, Json]:
    return {"paths": list(request.texts())} if request.composite else {"path": request.texts()[0]}


def _success(code: int, rest: dict[str, Json]) -> bytes:
    return orjson.dumps({"status": status_text(code), "valid": True, "success": True, "failure": False, **rest})


def _refusal(code: int, text: str | None) -> bytes:
    body = {"status": status_text(code), "valid": True, "success": False, "failure": True}
    return orjson.dumps({**body, "errormessage": text} if text else body)
