"""The LwM2M client on a simulated device: the handling of each kind of request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from simulator import effects, firmware
from simulator.device import Device, Request
from simulator.fleet import Fleet
from simulator.models import Json
from simulator.responses import Refused

_Done = tuple[int, dict[str, Any]]


def perform(fleet: Fleet, device: Device, request: Request, max_body: int | None) -> tuple[int, dict[str, Json]]:
    """Carry out a request on the device; return the CoAP code and the fields of the response.

    Raises:
        Refused: the device refuses.
    """
    if max_body is not None and request.size > max_body:
        raise Refused(413, f"body too large, max. {max_body} bytes")
    return _PERFORM[request.kind](fleet, device, request)


def _read(_: Fleet, device: Device, request: Request) -> _Done:
    return 205, {"content": device.objects.read(request.path, request.format)}


def _read_composite(_: Fleet, device: Device, request: Request) -> _Done:
    return 205, {"content": device.objects.read_many(request.paths)}


def _discover(_: Fleet, device: Device, request: Request) -> _Done:
    return 205, {"objectLinks": device.objects.discover(request.path)}


def _write(fleet: Fleet, device: Device, request: Request) -> _Done:
    firmware.check_write(fleet, device, request)
    device.objects.write(request.path, request.nodes[0], replace=request.replace)
    effects.written(fleet, device, request.paths)
    firmware.written(fleet, device, request)
    return 204, {}


def _write_composite(fleet: Fleet, device: Device, request: Request) -> _Done:
    firmware.check_write(fleet, device, request)
    device.objects.write_many(list(zip(request.paths, request.nodes, strict=True)))
    effects.written(fleet, device, request.paths)
    firmware.written(fleet, device, request)
    return 204, {}


def _write_attributes(_: Fleet, device: Device, request: Request) -> _Done:
    device.objects.write_attributes(request.path, request.attributes)
    return 204, {}


def _execute(fleet: Fleet, device: Device, request: Request) -> _Done:
    device.objects.executable(request.path)
    effects.executed(fleet, device, request)
    return 204, {}


def _create(fleet: Fleet, device: Device, request: Request) -> _Done:
    id_ = device.objects.create(request.path[0], request.nodes[0])
    effects.instances_changed(fleet, device)
    return 201, {} if request.nodes[0].id is not None else {"location": f"{request.path[0]}/{id_}"}


def _delete(fleet: Fleet, device: Device, request: Request) -> _Done:
    device.objects.delete(request.path)
    effects.instances_changed(fleet, device)
    return 202, {}


def _observe(fleet: Fleet, device: Device, request: Request) -> _Done:
    done = _read_composite(fleet, device, request) if request.composite else _read(fleet, device, request)
    if device.registration is not None:
        device.registration.observed.add((request.composite, request.paths))
    return done


def _cancel_observe(fleet: Fleet, device: Device, request: Request) -> _Done:
    if device.registration is not None:
        device.registration.observed.discard((request.composite, request.paths))
    return _read_composite(fleet, device, request) if request.composite else _read(fleet, device, request)


_PERFORM: Final[Mapping[str, Callable[[Fleet, Device, Request], _Done]]] = {
    "READ": _read,
    "READ_COMPOSITE": _read_composite,
    "DISCOVER": _discover,
    "WRITE": _write,
    "WRITE_COMPOSITE": _write_composite,
    "WRITE_ATTRIBUTES": _write_attributes,
    "EXECUTE": _execute,
    "CREATE": _create,
    "DELETE": _delete,
    "OBSERVE": _observe,
    "OBSERVE_COMPOSITE": _observe,
    "CANCEL_OBSERVE": _cancel_observe,
    "CANCEL_OBSERVE_COMPOSITE": _cancel_observe,
}
