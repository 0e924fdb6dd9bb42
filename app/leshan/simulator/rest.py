"""The server's REST addresses and its event stream as an ASGI app, without a framework: this is the hot path."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from app.leshan.simulator.behaviours import Behaviour, Behaviours
from app.leshan.simulator.config import SimulatorConfig
from app.leshan.simulator.device import Device, Received
from app.leshan.simulator.events import Events, registration_json
from app.leshan.simulator.exchange import JSON, Answer, Exchange
from app.leshan.simulator.faults import Faults
from app.leshan.simulator.fleet import Fleet
from app.leshan.simulator.http_call import Http, OpenCall, Receive, Scope, Send, Stats
from app.leshan.simulator.models import MODELS
from app.leshan.simulator.problems import TEXT, ServerAnswer, html_error, no_registered_client
from app.leshan.simulator.requests import Call, check_shape, is_passive_cancel, read_query, read_request, segments

_PIECE: Final = 500
"""Registrations per piece of ``GET /api/clients``: in between others have their turn."""


class Rest:
    """Answers ``/api``. ``behaviours`` are the whole server's: they come before everything."""

    def __init__(self, config: SimulatorConfig, fleet: Fleet, exchange: Exchange, events: Events) -> None:
        self._config = config
        self._fleet = fleet
        self._exchange = exchange
        self._events = events
        self._faults = Faults(exchange)
        self._threads = asyncio.Semaphore(config.max_open_calls) if config.max_open_calls is not None else None
        self.behaviours = Behaviours()
        self.stats = Stats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = Http(scope, receive, send, self.stats)
        try:
            await self._serve(http)
        except ServerAnswer as answer:
            await http.reply(_as_answer(answer))

    async def _serve(self, http: Http) -> None:
        parts = segments(http.scope["raw_path"], self._config.mode)
        if parts[:2] == ["api", "clients"] and len(parts) > 2 and parts[2]:
            await self._client(http, parts[2], parts[3:])
            return
        if self.behaviours and (behaviour := self.behaviours.take(http.method, ())):
            await self._misbehave(http, behaviour)
        elif parts[:2] == ["api", "event"]:
            await self._stream(http)
        elif parts[:2] == ["api", "clients"]:
            await self._list(http)
        else:
            await http.reply(self._rest(parts))

    # --- one client

    async def _client(self, http: Http, name: str, parts: list[str]) -> None:
        while parts and not parts[-1]:
            parts.pop()
        call = await http.call(parts)
        device = self._fleet.devices.get(name)
        received = None
        if device is None:
            self.stats.unknown_clients += 1
        elif parts:
            received = device.note(call.method, http.target, call.body, http.header(b"reveille-request"))
        if self.behaviours and (behaviour := self.behaviours.take(call.method, ("/" + "/".join(parts),))):
            await self._misbehave(http, behaviour)
            return
        check_shape(call)
        if device is None or device.registration is None:
            raise no_registered_client(name)
        if received is None:
            await http.reply(Answer(200, orjson.dumps(registration_json(device, device.registration)), JSON))
            return
        open_call = OpenCall(self.stats, device, http.connection)
        try:
            await self._ask(http, call, device, received)
        finally:
            open_call.end()

    async def _ask(self, http: Http, call: Call, device: Device, received: Received) -> None:
        answer: Answer | Behaviour
        try:
            if self._threads is None:
                answer = await self._answer(call, device, received)
            else:
                async with self._threads:
                    answer = await self._answer(call, device, received)
        except ServerAnswer as error:
            answer = _as_answer(error)
        if isinstance(answer, Behaviour):
            await self._misbehave(http, answer, self._carried_out(answer, call, device, received), received)
        else:
            received.status = answer.status
            await http.reply(answer)

    async def _answer(self, call: Call, device: Device, received: Received) -> Answer | Behaviour:
        request = read_request(call, self._config.default_timeout_seconds)
        received.kind = request.kind
        registration = device.registration
        if request.kind.startswith("CANCEL_OBSERVE") and registration is not None:
            observation = (request.composite, request.paths)
            if is_passive_cancel(call):
                registration.observed.discard(observation)
                return Answer(200, b"")
            if observation not in registration.observed:
                raise ServerAnswer(404, _no_observation(device, request.texts(), composite=request.composite), TEXT)
        return await self._exchange.ask(device, request, received)

    def _carried_out(self, behaviour: Behaviour, call: Call, device: Device, received: Received) -> bytes | None:
        """Let the device do what was asked, where the behaviour says that it does; its answer goes astray."""
        if not behaviour.carries_out or device.deaf or not device.callable:
            return None
        return self._exchange.carry_out(device, read_request(call, 0), received)

    async def _misbehave(
        self, http: Http, behaviour: Behaviour, body: bytes | None = None, received: Received | None = None
    ) -> None:
        answer = await self._faults.answer(behaviour, http.connection, body)
        if answer is None:
            await http.gone()
            return
        if received is not None:
            received.status = answer.status
        await http.reply(answer)

    # --- everything else

    async def _list(self, http: Http) -> None:
        """All registrations, in pieces: there may be 100,000."""
        names = [device.name for device in self._fleet.devices.values() if device.registration is not None]
        await http.begin(200, [(b"content-type", JSON.encode())])
        before = b"["
        for start in range(0, len(names), _PIECE):
            devices = [self._fleet.registered(name) for name in names[start : start + _PIECE]]
            facts = [registration_json(d, d.registration) for d in devices if d is not None and d.registration]
            if facts:
                await http.part(before + orjson.dumps(facts)[1:-1])
                before = b","
            await asyncio.sleep(0)
        await http.part(b"[]" if before == b"[" else b"]", more=False)

    async def _stream(self, http: Http) -> None:
        if "text/event-stream" not in (http.header(b"accept") or ""):
            raise html_error(405, "HTTP method GET is not supported by this URL")
        listener = self._events.listen(read_query(http.scope["query_string"]).get("ep"))
        connection = http.connection
        connection.on_lost = listener.close
        try:
            await http.begin(200, [(b"content-type", b"text/event-stream;charset=utf-8")])
            await http.part(b"")
            while not listener.closed:
                await http.part(await listener.take(self._config.heartbeat_seconds))
            await http.part(b"", more=False)
        finally:
            connection.on_lost = None
            self._events.leave(listener)

    def _rest(self, parts: list[str]) -> Answer:
        if parts[:2] == ["api", "objectspecs"] and len(parts) == 3:
            return self._object_specs(parts[2])
        if parts == ["api", "server", "endpoint"]:
            return Answer(200, orjson.dumps([_ENDPOINT]), JSON)
        if parts == ["api", "server", "security"]:
            return Answer(200, b"{}", JSON)
        if parts == ["api", "security", "clients"]:
            return Answer(200, b"[]", JSON)
        raise html_error(404, "Not Found")

    def _object_specs(self, name: str) -> Answer:
        device = self._fleet.registered(name)
        if device is None:
            raise html_error(500, "java.lang.NullPointerException: Cannot invoke Registration.getSupportedObject()")
        specs = [MODELS[object_id].spec() for object_id in sorted({path[0] for path in device.objects.instances()})]
        return Answer(200, orjson.dumps(specs), JSON)


_ENDPOINT: Final = {
    "uri": {"full": "coap://127.0.0.1:5683", "scheme": "coap", "host": "127.0.0.1", "port": 5683},
    "description": "simulated: there is no CoAP behind it",
}


def _as_answer(answer: ServerAnswer) -> Answer:
    return Answer(answer.status, answer.text.encode(), answer.content_type)


def _no_observation(device: Device, paths: tuple[str, ...], *, composite: bool) -> str:
    registration = device.registration
    which = f"composite observation for paths [{', '.join(paths)}]" if composite else f"observation for path {paths[0]}"
    id_ = registration.id if registration else None
    return f"no {which} for  client 'Registration [endpoint={device.name}, id={id_}]'"
