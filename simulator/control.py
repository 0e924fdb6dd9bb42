"""The control address ``/sim``: a simulator's methods over HTTP, for tests and demos. JSON in and out.

=====================  ================================================================================================
``GET /sim/stats``     figures: open calls now and at most, responses by status, events, devices
``GET /sim/devices``   all devices; ``?ep=NAME`` one, with the requests that it received
``POST /sim/devices``  ``{"names": [..], "count": n, "queueMode": true}``: adds devices
``DELETE /sim/devices?ep=NAME``  deregisters and removes it
``POST /sim/VERB``     ``register|wake|sleep|deafen|hear|deregister``, of ``?ep=NAME``, of ``{"names": [..]}``, or of
                       all devices; register takes ``?oldAfter=true``, wake ``?newAddress=true``
``POST /sim/notify?ep=``  ``{"path": "/3303/0/5700", "value": "24.5", "anyway": true}``; returns ``{"sent": n}``
``POST /sim/send?ep=``    ``{"paths": ["/3303/0/5700"]}``
``POST /sim/value?ep=``   ``{"path": .., "value": ..}``
``POST /sim/behaviour``   a behavior (``behaviours.py``) of ``?ep=NAME``, of each device without it, of the server with
                          ``?server=true``
``POST /sim/firmware``    how ``?ep=NAME``, or each device, updates its firmware (``firmware_behaviours.py``);
                       ``GET /sim/devices?ep=NAME`` has the counts, under ``firmware``
``DELETE /sim/behaviour`` removes the behaviors of ``?ep=NAME``, or of all devices and the server
``POST /sim/hang``     the server accepts and never answers ``/api``
``POST /sim/restart``  the server loses all registrations and delayed requests
``POST /sim/reset``    counters, received requests and behaviors are cleared
=====================  ================================================================================================

Unknown device: 404; unreadable request: 400; both with ``{"error": ..}``. A name goes into the query, so that any name
is possible.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.behaviours import Behaviour
from simulator.firmware_behaviours import FirmwareBehaviour
from simulator.leshan import SimulatedLeshan
from simulator.models import Json
from simulator.responses import Refused, ServerAnswer

_Handler = Callable[[SimulatedLeshan, Request, Mapping[str, Any]], Json]


def control(simulator: SimulatedLeshan) -> Starlette:
    """Return the control address's app for one simulator."""
    return Starlette(
        routes=[
            Route("/sim/stats", _endpoint(simulator, _stats), methods=["GET"]),
            Route("/sim/devices", _endpoint(simulator, _devices), methods=["GET"]),
            Route("/sim/devices", _endpoint(simulator, _add), methods=["POST"]),
            Route("/sim/devices", _endpoint(simulator, _remove), methods=["DELETE"]),
            Route("/sim/behaviour", _endpoint(simulator, _behave), methods=["POST"]),
            Route("/sim/behaviour", _endpoint(simulator, _behave_well), methods=["DELETE"]),
            *(Route(f"/sim/{verb}", _endpoint(simulator, act), methods=["POST"]) for verb, act in _VERBS.items()),
        ]
    )


def _endpoint(simulator: SimulatedLeshan, act: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
            return _json(200, act(simulator, request, orjson.loads(body) if body else {}))
        except KeyError as error:
            return _json(404, {"error": f"no device or field {error}"})
        except (ValueError, TypeError, Refused, ServerAnswer) as error:
            return _json(400, {"error": str(error)})

    return endpoint


def _json(status: int, content: Json) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _names(simulator: SimulatedLeshan, request: Request) -> list[str]:
    name = request.query_params.get("ep")
    return [device.name for device in simulator.devices()] if name is None else [name]


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name) == "true"


def _stats(simulator: SimulatedLeshan, _: Request, __: Mapping[str, Any]) -> Json:
    return simulator.figures()


def _devices(simulator: SimulatedLeshan, request: Request, _: Mapping[str, Any]) -> Json:
    name = request.query_params.get("ep")
    if name is None:
        return [device.as_json() for device in simulator.devices()]
    received = [one.as_json() for one in simulator.received(name)]
    return {**simulator.device(name).as_json(), "received": received}


def _add(simulator: SimulatedLeshan, _: Request, body: Mapping[str, Any]) -> Json:
    names = list(body.get("names", []))
    taken = len(simulator.devices())
    names += [f"dev-{number:04d}" for number in range(taken, taken + int(body.get("count", 0)))]
    return [simulator.add(name, queue_mode=body.get("queueMode")).as_json() for name in names]


def _remove(simulator: SimulatedLeshan, request: Request, _: Mapping[str, Any]) -> Json:
    simulator.remove(request.query_params["ep"])
    return {}


def _each(act: Callable[[SimulatedLeshan, str, Request], None]) -> _Handler:
    def handler(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
        names = body["names"] if "names" in body else _names(simulator, request)
        for name in names:
            act(simulator, name, request)
        return {"devices": len(names)}

    return handler


def _notify(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
    anyway = bool(body.get("anyway", False))
    names = _names(simulator, request)
    return {"sent": sum(simulator.notify(name, body["path"], body.get("value"), anyway=anyway) for name in names)}


def _send(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
    names = _names(simulator, request)
    for name in names:
        simulator.send(name, body["paths"])
    return {"sent": len(names)}


def _value(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
    for name in _names(simulator, request):
        simulator.set_value(name, body["path"], body["value"])
    return {}


def _behave(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
    behaviour = Behaviour.from_json(body)
    if _flag(request, "server"):
        simulator.server_behaves(behaviour)
    elif "ep" in request.query_params:
        simulator.behave(request.query_params["ep"], behaviour)
    else:
        simulator.behave_all(behaviour)
    return {}


def _set_firmware(simulator: SimulatedLeshan, request: Request, body: Mapping[str, Any]) -> Json:
    behaviour = FirmwareBehaviour.from_json(body)
    names = _names(simulator, request)
    for name in names:
        simulator.set_firmware(name, behaviour)
    return {"devices": len(names)}


def _behave_well(simulator: SimulatedLeshan, request: Request, _: Mapping[str, Any]) -> Json:
    simulator.behave_well(request.query_params.get("ep"))
    return {}


def _whole(act: Callable[[SimulatedLeshan], None]) -> _Handler:
    def handler(simulator: SimulatedLeshan, _: Request, __: Mapping[str, Any]) -> Json:
        act(simulator)
        return {}

    return handler


_VERBS: Final[Mapping[str, _Handler]] = {
    "register": _each(lambda sim, name, request: sim.register(name, old_after=_flag(request, "oldAfter"))),
    "wake": _each(lambda sim, name, request: sim.wake(name, new_address=_flag(request, "newAddress"))),
    "sleep": _each(lambda sim, name, _: sim.sleep(name)),
    "deafen": _each(lambda sim, name, _: sim.deafen(name)),
    "hear": _each(lambda sim, name, _: sim.deafen(name, deaf=False)),
    "deregister": _each(lambda sim, name, _: sim.deregister(name)),
    "notify": _notify,
    "send": _send,
    "value": _value,
    "firmware": _set_firmware,
    "hang": _whole(lambda sim: sim.hang()),
    "restart": _whole(lambda sim: sim.restart()),
    "reset": _whole(lambda sim: sim.reset()),
}
