"""Effects of EXECUTE and WRITE on a simulated device besides its response: reboot, the test object's features;
``firmware`` has those of object 5.

Changes of the registration happen right after the response, as with a real client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from simulator import firmware
from simulator.device import Device, Request
from simulator.dice import Dice
from simulator.fleet import Fleet
from simulator.models import MODELS, Json, Resource
from simulator.nodes import Path, java_double

_TEST_OBJECT: Final = 3442


def executed(fleet: Fleet, device: Device, request: Request) -> None:
    """Apply the effect of the executed resource."""
    effect = _EXECUTE.get((request.path[0], request.path[2]))
    if effect is not None:
        effect(fleet, device, request)


def written(fleet: Fleet, device: Device, paths: tuple[Path, ...]) -> None:
    """Notify observers of the written paths, and apply the effect of a new lifetime."""
    for path in paths:
        if path[:3] == (1, 0, 1):
            _after_answer(fleet.update, device)
        _after_answer(fleet.notify, device, path)


def instances_changed(fleet: Fleet, device: Device) -> None:
    """Send the client's new object links after CREATE and DELETE."""
    _after_answer(lambda device: fleet.update(device, with_links=True), device)


def _after_answer(act: Callable[..., Any], *arguments: Any) -> None:
    asyncio.get_running_loop().call_soon(act, *arguments)


def _reboot(fleet: Fleet, device: Device, _: Request) -> None:
    _after_answer(fleet.reboot, device)


def _disable(fleet: Fleet, device: Device, _: Request) -> None:
    _after_answer(fleet.deregister, device)


def _update_registration(fleet: Fleet, device: Device, _: Request) -> None:
    _after_answer(fleet.update, device)


def _reset_errors(_: Fleet, device: Device, request: Request) -> None:
    device.objects.put((*request.path[:2], 11), {0: "0"})


def _reset_extremes(_: Fleet, device: Device, request: Request) -> None:
    own = request.path[:2]
    device.objects.fill(own, dict.fromkeys((5601, 5602), device.objects.value((*own, 5700))))


def _reset(_: Fleet, device: Device, request: Request) -> None:
    device.objects.fill(request.path[:2], MODELS[_TEST_OBJECT].values)


def _randomize(fleet: Fleet, device: Device, request: Request) -> None:
    own = request.path[:2]
    device.objects.fill(own, {id_: _random(device.dice, model) for id_, model in _test_values().items()})
    written(fleet, device, (own,))


def _clear(_: Fleet, device: Device, request: Request) -> None:
    cleared = {id_: {} if model.multiple else _EMPTY[model.type] for id_, model in _test_values().items()}
    device.objects.fill(request.path[:2], cleared)


def _keep_arguments(_: Fleet, device: Device, request: Request) -> None:
    device.objects.put((*request.path[:2], 4), dict(request.arguments or {}))


def _send(fleet: Fleet, device: Device, request: Request) -> None:
    wanted = device.objects.value((*request.path[:2], 6)) or {}
    paths = [tuple(int(part) for part in path.strip("/").split("/")) for path in wanted.values()]
    _after_answer(fleet.send, device, paths)


_EXECUTE: Final[Mapping[tuple[int, int], Callable[[Fleet, Device, Request], None]]] = {
    (1, 4): _disable,
    (1, 8): _update_registration,
    (1, 9): lambda fleet, device, _: _after_answer(fleet.register, device),
    (3, 4): _reboot,
    (3, 5): _reboot,
    (3, 12): _reset_errors,
    **firmware.EXECUTES,
    (3303, 5605): _reset_extremes,
    (_TEST_OBJECT, 0): _reset,
    (_TEST_OBJECT, 1): _randomize,
    (_TEST_OBJECT, 2): _clear,
    (_TEST_OBJECT, 3): _keep_arguments,
    (_TEST_OBJECT, 5): _send,
}

_EMPTY: Final[Mapping[str, Json]] = {
    "STRING": "",
    "INTEGER": "0",
    "UNSIGNED_INTEGER": "0",
    "FLOAT": "0.0",
    "BOOLEAN": False,
    "OPAQUE": "",
    "TIME": 0,
    "OBJLNK": {"objectId": 65_535, "objectInstanceId": 65_535, "nullLink": True},
    "CORELINK": "",
}


def _test_values() -> dict[int, Resource]:
    return {id_: model for id_, model in MODELS[_TEST_OBJECT].resources.items() if id_ >= 110}


def _random(dice: Dice, model: Resource) -> Json:
    if model.multiple:
        return {index: _random_value(dice, model.type) for index in range(dice.below(10))}
    return _random_value(dice, model.type)


def _random_value(dice: Dice, type_: str) -> Json:
    number = dice.number()
    return {
        "STRING": dice.text(1 + number % 20),
        "INTEGER": str(number - 2**63),
        "UNSIGNED_INTEGER": str(number),
        "FLOAT": java_double(dice.share()),
        "BOOLEAN": bool(number % 2),
        "OPAQUE": f"{number:016x}",
        "TIME": number % 2**31 * 1000,
        "OBJLNK": {"objectId": number % 65_535, "objectInstanceId": number % 100, "nullLink": False},
        "CORELINK": f"</{number % 100}>",
    }[type_]
