"""Responses of the server, of a proxy before it, or faults of the wire, which replace a device's response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from simulator.behaviours import Behaviour, Kind
from simulator.exchange import Exchange, asleep_of_m16, client_sleeping
from simulator.responses import HTML, JSON, TEXT, HttpResponse
from simulator.wire import Connection

_ANSWER: Final = b'{"status":"CHANGED(204)","valid":true,"success":true,"failure":false}'


class Faults:
    """Applies behaviors that need no device."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def answer(
        self, behaviour: Behaviour, connection: Connection, device_answer: bytes | None
    ) -> HttpResponse | None:
        """Return the response, after the behavior's delay; None if the connection will carry none."""
        if behaviour.delay_ms:
            await asyncio.sleep(behaviour.delay_ms / 1000)
        self._exchange.counters[behaviour.kind.value] += 1
        if behaviour.kind in _WIRE:
            _WIRE[behaviour.kind](connection, device_answer or _ANSWER)
            return None
        return _INSTEAD[behaviour.kind](behaviour)


_WIRE: Final[Mapping[Kind, Callable[[Connection, bytes], None]]] = {
    Kind.CLOSE: lambda connection, _: connection.close(),
    Kind.RESET: lambda connection, _: connection.reset(),
    Kind.HALF_BODY: Connection.half_answer,
    Kind.NEVER: lambda connection, _: None,  # noqa: ARG005
}


def _http(behaviour: Behaviour) -> HttpResponse:
    text = behaviour.text
    if not text:
        phrase = HTTPStatus(behaviour.status).phrase
        text = f"<html><head><title>{behaviour.status} {phrase}</title></head><body>{phrase}</body></html>"
    return HttpResponse(behaviour.status, text.encode(), HTML if text.startswith("<") else TEXT)


def _redirect(behaviour: Behaviour) -> HttpResponse:
    status = behaviour.status if 300 <= behaviour.status < 400 else 302
    return HttpResponse(status, b"", behaviour.text or "http://127.0.0.1:9/elsewhere")


def _text(status: int, start: str, usual: str) -> Callable[[Behaviour], HttpResponse]:
    return lambda behaviour: HttpResponse(status, (start + (behaviour.text or usual)).encode())


_INSTEAD: Final[Mapping[Kind, Callable[[Behaviour], HttpResponse]]] = {
    Kind.NOT_CONNECTED: _text(500, "Unexpected exception: ", "Request cannot be sent : peer is not connected"),
    Kind.UNSENDABLE: _text(500, "Unexpected exception: ", "Unable to send request : no route to host"),
    Kind.NOT_REGISTERED: lambda behaviour: HttpResponse(400, (behaviour.text or _NO_CLIENT).encode(), TEXT),
    Kind.SLEEPING: lambda _: asleep_of_m16(),
    Kind.CLIENT_SLEEPING: lambda _: client_sleeping("simulated"),
    Kind.INVALID: _text(400, "Invalid request: ", "simulated"),
    Kind.HTTP: _http,
    Kind.REDIRECT: _redirect,
    Kind.UNREADABLE: lambda behaviour: HttpResponse(200, (behaviour.text or '{"status":').encode(), JSON),
}
_NO_CLIENT: Final = "No registered client with id 'simulated'"
