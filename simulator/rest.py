"""The server's REST addresses and its event stream as an ASGI app, without a framework: this is the hot path."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson

from simulator.behaviours import Behaviour, Behaviours
from simulator.config import Mode, SimulatorConfig
from simulator.device import Device, Received
from simulator.events import Events, registration_json
from simulator.exchange import Exchange
from simulator.faults import Faults
from simulator.fleet import Fleet
from simulator.http_call import Http, OpenCall, Receive, Scope, Send, Stats
from simulator.models import MODELS, Json
from simulator.own_errors import as_own_error, own_error
from simulator.request_ids import NOT_KEPT, RequestIds
from simulator.requests import Call, check_shape, is_passive_cancel, read_query, read_request, segments
from simulator.responses import JSON, TEXT, HttpResponse, ServerAnswer, html_error, no_registered_client

_PIECE: Final = 500
"""Registrations per piece of ``GET /api/clients``: other tasks run in between."""


class Rest:
    """Handles ``/api``. ``behaviours`` are the whole server's: they take precedence over all others."""

    def __init__(self, config: SimulatorConfig, fleet: Fleet, exchange: Exchange, events: Events) -> None:
        self._config = config
        self._fleet = fleet
        self._exchange = exchange
        self._events = events
        self._faults = Faults(exchange)
        self._own = config.mode is Mode.REVEILLE
        self.ids = RequestIds()
        self._threads = asyncio.Semaphore(config.max_open_calls) if config.max_open_calls is not None else None
        self.behaviours = Behaviours()
        self.stats = Stats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = Http(scope, receive, send, self.stats)
        try:
            await self._serve(http)
        except ServerAnswer as answer:
            await self._reply(http, _as_answer(answer))

    async def _reply(self, http: Http, answer: HttpResponse) -> None:
        wanted = self._own and "application/json" in (http.header(b"accept") or "")
        await http.reply(as_own_error(answer) if wanted else answer)

    async def _serve(self, http: Http) -> None:
        parts = segments(http.scope["raw_path"], self._config.mode)
        if parts[:2] == ["api", "clients"] and len(parts) > 2 and parts[2]:
            await self._client(http, parts[2], parts[3:])
            return
        if self._own and parts == ["api", "server", "info"] and not self._breaks_down():
            await http.reply(HttpResponse(200, orjson.dumps(server_info(self._config, self._events)), JSON))
            return
        if self.behaviours and (behaviour := self.behaviours.take(http.method, ())):
            await self._misbehave(http, behaviour)
        elif parts[:2] == ["api", "event"]:
            await self._stream(http)
        elif parts[:2] == ["api", "clients"]:
            await self._list(http)
        elif self._own and parts[:2] == ["api", "requests"] and len(parts) == 4:
            wait_seconds = min(30.0, float(read_query(http.scope["query_string"]).get("wait", 0)))
            id_, close = "/".join(parts[2:]), http.method == "DELETE"
            await http.reply(await self.ids.outcome(id_, close=close, wait_seconds=wait_seconds))
        else:
            await http.reply(self._rest(parts))

    def _breaks_down(self) -> bool:
        """Return whether the server has a permanent behavior. A behavior for its next few requests does not apply to
        requests that come by themselves."""
        return any(behaviour.times is None for behaviour in self.behaviours)

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
            await http.reply(HttpResponse(200, orjson.dumps(registration_json(device, device.registration)), JSON))
            return
        if self._own and (refusal := self._too_much(device)):
            received.status = refusal.status
            await http.reply(refusal)
            return
        open_call = OpenCall(self.stats, device, http.connection)
        try:
            await self._once(http, call, device, received)
        finally:
            open_call.end()

    def _too_much(self, device: Device) -> HttpResponse | None:
        """Return the refusal of a call above the limit: our own server queues no calls."""
        if device.open_calls:
            return own_error(409, "BUSY", f"A call for {device.name} is open")
        most = self._config.max_open_calls
        if most is not None and self.stats.open_calls >= most:
            return own_error(429, "TOO_MANY_CALLS", f"{most} calls are open")
        return None

    async def _once(self, http: Http, call: Call, device: Device, received: Received) -> None:
        """Call the device; on our own server once for each request id."""
        id_ = received.request_id if self._own else None
        if id_ is not None and not self.ids.begin(id_):
            answer = await self.ids.again(id_)
            received.status = answer.status
            await http.reply(answer)
            return
        await self._call_device(http, call, device, received, id_)

    async def _call_device(self, http: Http, call: Call, device: Device, received: Received, id_: str | None) -> None:
        answer: HttpResponse | Behaviour
        try:
            if self._threads is None or self._own:
                answer = await self._answer(call, device, received)
            else:
                async with self._threads:
                    answer = await self._answer(call, device, received)
        except ServerAnswer as error:
            answer = _as_answer(error)
        if isinstance(answer, Behaviour):
            body = self._carried_out(answer, call, device, received)
            self._ended(device, received, id_, None if body is None else HttpResponse(200, body, JSON))
            await self._misbehave(http, answer, body, received)
        else:
            received.status = answer.status
            self._ended(device, received, id_, answer)
            await self._reply(http, answer)

    def _ended(self, device: Device, received: Received, id_: str | None, answer: HttpResponse | None) -> None:
        """Store and publish the result of a request with an id."""
        if id_ is None:
            return
        self.ids.end(id_, answer)
        if answer is not None and answer.status not in NOT_KEPT:
            path = "/" + received.target.partition("?")[0].split("/", 4)[-1]
            self._events.result(device, path, id_, as_own_error(answer))

    async def _answer(self, call: Call, device: Device, received: Received) -> HttpResponse | Behaviour:
        request = read_request(call, self._config.default_timeout_seconds)
        received.kind = request.kind
        registration = device.registration
        if request.kind.startswith("CANCEL_OBSERVE") and registration is not None:
            observation = (request.composite, request.paths)
            if is_passive_cancel(call):
                registration.observed.discard(observation)
                return HttpResponse(200, b"")
            if observation not in registration.observed:
                raise ServerAnswer(404, _no_observation(device, request.texts(), composite=request.composite), TEXT)
        return await self._exchange.send(device, request, received)

    def _carried_out(self, behaviour: Behaviour, call: Call, device: Device, received: Received) -> bytes | None:
        """Let the device carry out the request, if the behavior says so; its response is lost."""
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
        """Send all registrations, in pieces: there may be 100,000."""
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
        query = read_query(http.scope["query_string"])
        listener = self._events.listen(query.get("ep"), envelope=query.get("envelope") == "true")
        if self._own and (last := http.header(b"last-event-id")) is not None and last.isdigit():
            self._events.replay(listener, int(last))
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

    def _rest(self, parts: list[str]) -> HttpResponse:
        if parts[:2] == ["api", "objectspecs"] and len(parts) == 3:
            return self._object_specs(parts[2])
        if parts == ["api", "server", "endpoint"]:
            return HttpResponse(200, orjson.dumps([_ENDPOINT]), JSON)
        if parts == ["api", "server", "security"]:
            return HttpResponse(200, b"{}", JSON)
        if parts == ["api", "security", "clients"]:
            return HttpResponse(200, b"[]", JSON)
        raise html_error(404, "Not Found")

    def _object_specs(self, name: str) -> HttpResponse:
        device = self._fleet.registered(name)
        if device is None:
            raise html_error(500, "java.lang.NullPointerException: Cannot invoke Registration.getSupportedObject()")
        specs = [MODELS[object_id].spec() for object_id in sorted({path[0] for path in device.objects.instances()})]
        return HttpResponse(200, orjson.dumps(specs), JSON)


def server_info(config: SimulatorConfig, events: Events) -> dict[str, Json]:
    """Return ``GET /api/server/info`` of our own server."""
    features = {
        "neverDelayed": True,
        "requestIds": True,
        "requestHistorySeconds": 86_400,
        "anyName": True,
        "jsonErrors": True,
        "eventEnvelope": 1,
        "eventReplay": True,
        "notificationsWake": True,
        "retransmit": True,
    }
    limits = {} if config.max_open_calls is None else {"openCalls": config.max_open_calls}
    return {"name": "simulator", "mode": "production", "bootId": events.boot_id, "features": features, "limits": limits}


_ENDPOINT: Final = {
    "uri": {"full": "coap://127.0.0.1:5683", "scheme": "coap", "host": "127.0.0.1", "port": 5683},
    "description": "simulated: there is no CoAP behind it",
}


def _as_answer(answer: ServerAnswer) -> HttpResponse:
    return HttpResponse(answer.status, answer.text.encode(), answer.content_type)


def _no_observation(device: Device, paths: tuple[str, ...], *, composite: bool) -> str:
    registration = device.registration
    which = f"composite observation for paths [{', '.join(paths)}]" if composite else f"observation for path {paths[0]}"
    id_ = registration.id if registration else None
    return f"no {which} for  client 'Registration [endpoint={device.name}, id={id_}]'"
