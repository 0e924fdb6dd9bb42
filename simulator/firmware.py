"""Object 5, Firmware Update, of a simulated device: the state machine of LwM2M Core 1.1, E.6, and its failures.

Nothing is downloaded. The version of a package is that of :class:`FirmwareBehaviour`, if it names one; otherwise

- from an address: ``version=`` in its query or fragment (``https://url.com/fw?version=2.0.0``), or else a drawn one;
- of a pushed package: that of its first line ``FIRMWARE VERSION DIGEST``, with the SHA-256 of the rest, as for the
  Java test devices. Another digest ends with result 5, and no such line with result 6.

A version that begins with ``broken`` cannot be installed: Downloaded, result 8.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from simulator.device import Device, Request
from simulator.firmware_behaviours import Delivery, FirmwareFault, Reports
from simulator.fleet import Fleet
from simulator.models import Json
from simulator.nodes import Path
from simulator.responses import Refused

_OBJECT: Final[Path] = (5, 0)
_PACKAGE: Final = 0
_URI: Final = 1
_STATE: Final = 3
_RESULT: Final = 5
_NAME: Final = 6
_VERSION: Final = 7
_INSTALLED: Final[Path] = (3, 0, 3)

_IDLE: Final = "0"
_DOWNLOADING: Final = "1"
_DOWNLOADED: Final = "2"
_UPDATING: Final = "3"

_RESULTS: Final = {
    FirmwareFault.NOT_ENOUGH_FLASH: "2",
    FirmwareFault.OUT_OF_MEMORY: "3",
    FirmwareFault.CONNECTION_LOST: "4",
    FirmwareFault.INTEGRITY: "5",
    FirmwareFault.UNSUPPORTED_TYPE: "6",
    FirmwareFault.INVALID_URI: "7",
    FirmwareFault.UPDATE_FAILED: "8",
    FirmwareFault.UNSUPPORTED_PROTOCOL: "9",
    FirmwareFault.DEFERRED: "11",
}
_NO_RESULT: Final = "0"
_UPDATED: Final = "1"
_CANCELED: Final = "10"

_SCHEMES: Final = frozenset({"http", "https"})
_HEADER: Final = re.compile(rb"FIRMWARE (\S{1,64}) ([0-9a-f]{64})\n")
_DELIVERIES: Final = {_PACKAGE: Delivery.PUSH, _URI: Delivery.PULL}
_TIMER: Final = "firmware"


# --- writes


def check_write(fleet: Fleet, device: Device, request: Request) -> None:
    """Check whether the device accepts a package or an address now.

    Raises:
        Refused: 4.05 in the wrong state or by the wrong method, 4.00 for an unsupported protocol.
    """
    if _value(device, _STATE) is None:
        return
    behaviour = device.firmware.behaviour
    for resource, value in _written(request):
        state, resets = _value(device, _STATE), _resets(value)
        if behaviour.delivery not in {Delivery.BOTH, _DELIVERIES[resource]}:
            raise Refused(405)
        if state == _UPDATING or (state != _IDLE and not resets and not behaviour.replaces):
            raise Refused(405)
        if resource == _URI and not resets and _is_unsupported(device, value):
            _end(fleet, device, FirmwareFault.UNSUPPORTED_PROTOCOL)
            raise Refused(400, "unsupported protocol")


def written(fleet: Fleet, device: Device, request: Request) -> None:
    """Apply the effect of a written package or address."""
    for resource, value in _written(request):
        device.disarm(_TIMER)
        _hold_package(device, "")
        if _resets(value):
            _enter(fleet, device, _IDLE, _NO_RESULT)
        elif resource == _URI:
            _download(fleet, device, value)
        else:
            device.objects.put((*_OBJECT, _PACKAGE), "")  # nothing reads it, and it may be large
            _take_package(fleet, device, value)


def _written(request: Request) -> Iterator[tuple[int, str]]:
    for path, node in zip(request.paths, request.nodes, strict=True):
        if path == _OBJECT:
            yield from ((id_, node.value[id_].value) for id_ in (_PACKAGE, _URI) if id_ in node.value)
        elif path[:2] == _OBJECT and path[2] in {_PACKAGE, _URI}:
            yield path[2], node.value


def _resets(value: str) -> bool:
    """Return whether a value resets the update: an empty text, no bytes, or the single byte 0."""
    return value in {"", "00"}


def _is_unsupported(device: Device, uri: str) -> bool:
    if device.firmware.take(FirmwareFault.UNSUPPORTED_PROTOCOL):
        return True
    parts = _parts(uri)
    return parts is not None and parts.scheme not in _SCHEMES


# --- delivery


def _download(fleet: Fleet, device: Device, uri: str) -> None:
    record = device.firmware
    if record.take(FirmwareFault.INVALID_URI) or _parts(uri) is None:
        _end(fleet, device, FirmwareFault.INVALID_URI)
        return
    record.downloads += 1
    _enter(fleet, device, _DOWNLOADING, _NO_RESULT)
    if record.take(FirmwareFault.DOWNLOAD_STALLS):
        return
    seconds = record.behaviour.download_ms / 1000
    interrupted = record.take(FirmwareFault.CONNECTION_LOST)
    if interrupted and record.behaviour.resumes:
        record.resumed += 1
        interrupted = None

    def complete(device: Device) -> None:
        if record.take(FirmwareFault.DOWNLOAD_LOST):
            _reboot(fleet, device, _IDLE, _NO_RESULT)
        else:
            _verify(fleet, device, interrupted or record.behaviour.version or _version_of_address(device, uri))

    fleet.arm(device, _TIMER, seconds, complete)


def _take_package(fleet: Fleet, device: Device, digits: str) -> None:
    device.firmware.pushed += 1
    _enter(fleet, device, _DOWNLOADING, _NO_RESULT)
    found = device.firmware.behaviour.version or _version_of_package(bytes.fromhex(digits))
    fleet.arm(device, _TIMER, 0, lambda device: _verify(fleet, device, found))


def _verify(fleet: Fleet, device: Device, found: str | FirmwareFault) -> None:
    """Enter Downloaded with a package of this version, or Idle with the result of a failure."""
    record = device.firmware
    if not isinstance(found, FirmwareFault):
        found = (
            record.take(
                FirmwareFault.NOT_ENOUGH_FLASH,
                FirmwareFault.OUT_OF_MEMORY,
                FirmwareFault.INTEGRITY,
                FirmwareFault.UNSUPPORTED_TYPE,
            )
            or found
        )
    if isinstance(found, FirmwareFault):
        _end(fleet, device, found)
        return
    _hold_package(device, found)
    _enter(fleet, device, _DOWNLOADED, _NO_RESULT)
    if record.expects(FirmwareFault.PACKAGE_LOST):
        fleet.arm(device, _TIMER, record.behaviour.downloaded_ms / 1000, lambda device: _lose(fleet, device))


def _lose(fleet: Fleet, device: Device) -> None:
    if device.firmware.take(FirmwareFault.PACKAGE_LOST):
        _reboot(fleet, device, _IDLE, _NO_RESULT)


def _parts(uri: str) -> Any:
    """Return the parts of an address, None if it is none."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return parts if parts.scheme and parts.netloc else None


def _version_of_address(device: Device, uri: str) -> str:
    parts = _parts(uri)
    named = {**parse_qs(parts.query), **parse_qs(parts.fragment)}.get("version")
    return named[0] if named else f"1.0.{device.dice.below(1000)}"


def _version_of_package(content: bytes) -> str | FirmwareFault:
    header = _HEADER.match(content)
    if header is None:
        return FirmwareFault.UNSUPPORTED_TYPE
    is_whole = hashlib.sha256(content[header.end() :]).hexdigest().encode() == header[2]
    return header[1].decode("latin-1") if is_whole else FirmwareFault.INTEGRITY


# --- executes


def update(fleet: Fleet, device: Device, _: Request) -> None:
    """Apply an Execute of 5/0/2.

    Raises:
        Refused: 4.05 unless Downloaded.
    """
    record = device.firmware
    if _value(device, _STATE) != _DOWNLOADED:
        raise Refused(405)
    record.updates += 1
    if record.take(FirmwareFault.DEFERRED):
        _enter(fleet, device, _DOWNLOADED, _RESULTS[FirmwareFault.DEFERRED])
        fleet.arm(device, _TIMER, record.behaviour.downloaded_ms / 1000, lambda device: _start(fleet, device))
    else:
        _start(fleet, device)


def cancel(fleet: Fleet, device: Device, _: Request) -> None:
    """Apply an Execute of 5/0/10.

    Raises:
        Refused: 4.05 unless Downloading or Downloaded.
    """
    if _value(device, _STATE) not in {_DOWNLOADING, _DOWNLOADED}:
        raise Refused(405)
    device.disarm(_TIMER)
    _hold_package(device, "")
    _enter(fleet, device, _IDLE, _CANCELED)


def _start(fleet: Fleet, device: Device) -> None:
    _enter(fleet, device, _UPDATING, _NO_RESULT)
    fleet.arm(device, _TIMER, device.firmware.behaviour.update_ms / 1000, lambda device: _install(fleet, device))


def _install(fleet: Fleet, device: Device) -> None:
    record, version = device.firmware, _value(device, _VERSION)
    fault = record.take(
        FirmwareFault.UPDATE_FAILED,
        FirmwareFault.UPDATE_FAILED_IDLE,
        FirmwareFault.POWER_CUT,
        FirmwareFault.POWER_CUT_IDLE,
        FirmwareFault.OLD_VERSION,
        FirmwareFault.DISAPPEARS,
    )
    if version.startswith("broken") or fault is FirmwareFault.UPDATE_FAILED:
        _enter(fleet, device, _DOWNLOADED, _RESULTS[FirmwareFault.UPDATE_FAILED])
    elif fault is FirmwareFault.UPDATE_FAILED_IDLE:
        _end(fleet, device, FirmwareFault.UPDATE_FAILED)
    elif fault is FirmwareFault.POWER_CUT:
        _reboot(fleet, device, _DOWNLOADED, _NO_RESULT)
    elif fault is FirmwareFault.POWER_CUT_IDLE:
        _reboot(fleet, device, _IDLE, _NO_RESULT)
    elif fault is FirmwareFault.OLD_VERSION:
        _reboot(fleet, device, _IDLE, _UPDATED)
    else:
        record.applied[version] += 1
        device.objects.put(_INSTALLED, version)
        _reboot(fleet, device, _IDLE, _UPDATED, returns=fault is None)


# --- state


def _value(device: Device, resource: int) -> Json:
    return device.objects.value((*_OBJECT, resource))


def _end(fleet: Fleet, device: Device, fault: FirmwareFault) -> None:
    """Enter Idle with the result of a failure."""
    device.disarm(_TIMER)
    _hold_package(device, "")
    _enter(fleet, device, _IDLE, _RESULTS[fault])


def _enter(fleet: Fleet, device: Device, state: str, result: str) -> None:
    """Set State and Update Result, and notify the observers of what has changed."""
    for resource, value in ((_RESULT, result), (_STATE, state)):
        if _value(device, resource) != value:
            device.objects.put((*_OBJECT, resource), value)
            _report(fleet, device, (*_OBJECT, resource))


def _report(fleet: Fleet, device: Device, path: Path) -> None:
    behaviour = device.firmware.behaviour
    loop = asyncio.get_running_loop()
    for _ in range({Reports.NEVER: 0, Reports.ONCE: 1, Reports.TWICE: 2}[behaviour.reports]):
        if behaviour.report_delay_ms:
            loop.call_later(behaviour.report_delay_ms / 1000, fleet.notify, device, path)
        else:
            loop.call_soon(fleet.notify, device, path)


def _hold_package(device: Device, version: str) -> None:
    device.objects.put((*_OBJECT, _NAME), "firmware" if version else "")
    device.objects.put((*_OBJECT, _VERSION), version)


def _reboot(fleet: Fleet, device: Device, state: str, result: str, *, returns: bool = True) -> None:
    """Reboot, without a deregistration; after it these are State and Update Result."""
    if state == _IDLE:
        _hold_package(device, "")
    device.objects.put((*_OBJECT, _STATE), state)
    device.objects.put((*_OBJECT, _RESULT), result)
    behaviour = device.firmware.behaviour
    seconds = fleet.reboot_seconds if behaviour.boot_ms is None else behaviour.boot_ms / 1000
    fleet.turn_off(device, seconds if returns else None)


Effect = Callable[[Fleet, Device, Request], None]
EXECUTES: Final[dict[tuple[int, int], Effect]] = {(5, 2): update, (5, 10): cancel}
"""The effects of executables, by object and resource."""
