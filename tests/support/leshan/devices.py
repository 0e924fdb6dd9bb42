"""A client of the control address of `leshan-server/run devices`, as described in `leshan-server/README.md`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import httpx

from tests.support import loopback

CONTROL_TIMEOUT = 120.0
"""Seconds; the device gives up a request to a server that does not respond after 10."""


class DeviceError(Exception):
    """The control address rejected the request; the message is its reason."""


@dataclass(frozen=True)
class Uplink:
    """The outcome of a device's request to its server: `code` such as 204, or 0 with the reason in `error`."""

    operation: str
    code: int
    error: str | None

    @property
    def ok(self) -> bool:
        """Return whether the server responded with success."""
        return self.code // 100 == 2


@dataclass(frozen=True)
class Delivery:
    """A request that reached the device's objects; `time` in milliseconds since the epoch."""

    seq: int
    time: int
    method: str
    path: str
    value: str | None
    node: Mapping[str, Any] | None


RebootWhen = Literal["undone", "unanswered", "answered"]


@dataclass(frozen=True)
class Sample:
    """Values by path, and when they were measured: milliseconds since the epoch, or None for no time."""

    time: int | None
    values: Mapping[str, object]


class Device:
    """A real LwM2M client. Each method that sends a message returns when the server has responded or the device gave
    up."""

    def __init__(self, http: httpx.Client, told: Mapping[str, Any]) -> None:
        self._http = http
        self.id: int = told["id"]
        self.name: str = told["name"]

    def state(self) -> dict[str, Any]:
        """Return its name, registration id, port, objects and whether it receives requests."""
        state: dict[str, Any] = self._json("GET", "")
        return state

    @property
    def registration_id(self) -> str | None:
        """Return the id that its server assigned, or None."""
        identifier: str | None = self.state()["registrationId"]
        return identifier

    def wake(self, *, new_port: bool = False, lifetime: int | None = None) -> Uplink:
        """Receive requests again and send a registration update; register again if the server no longer knows the
        device."""
        return self._uplink("wake", {"newPort": new_port, "lifetime": lifetime})

    def register(self, *, new_port: bool = False) -> Uplink:
        """Receive requests again and register in full, which replaces its registration."""
        return self._uplink("register", {"newPort": new_port})

    def deregister(self) -> Uplink:
        """Deregister."""
        return self._uplink("deregister", {})

    def send(self, paths: Sequence[str], *, content_format: str = "SENML_CBOR") -> Uplink:
        """Send the present values by LwM2M Send, even while it does not receive requests."""
        return self._uplink("send", {"paths": list(paths), "format": content_format})

    def send_samples(self, samples: Iterable[Sample], *, content_format: str = "SENML_CBOR") -> Uplink:
        """Send values with their times in one LwM2M Send; `set_clock` shifts the times."""
        told = [{"time": sample.time, "values": dict(sample.values)} for sample in samples]
        return self._uplink("send", {"samples": told, "format": content_format})

    def reboot(self, *, boot_ms: int = 0) -> Uplink:
        """Lose its state and its CoAP memory, be off for so long, and register again; the list of received requests
        remains."""
        return self._uplink("reboot", {"bootMs": boot_ms})

    def set_clock(self, offset_ms: int) -> None:
        """Set the error of its clock, which affects the times of its samples and 3/0/13."""
        self._json("PUT", "/clock", {"offsetMs": offset_ms})

    def radio(self, **weather: Any) -> dict[str, Any]:
        """Configure its radio as described in `leshan-server/README.md` (`loss=10, up={..}, hold=True`); return it,
        with counts.

        Raises:
            DeviceError: the device was created without a radio.
        """
        told: dict[str, Any] = self._json("PUT", "/radio", weather)
        return told

    def rebind(self) -> None:
        """Switch its radio to a new source port, unnoticed by the device."""
        self._json("POST", "/radio/rebind")

    def notify(self, path: str, value: object) -> None:
        """Change a value as the device itself, so that observers are notified. Values as in a write's JSON body."""
        self._json("POST", "/notify", {"path": path, "value": value})

    def sleep(self, *, hold: bool = False) -> None:
        """Stop receiving requests: they are lost, or with `hold` arrive when the device receives again."""
        self._json("POST", "/sleep", {"hold": hold})

    def awake(self) -> None:
        """Receive requests again without notifying the server."""
        self._json("POST", "/awake")

    def stop(self) -> None:
        """Disappear without deregistration. The list of received requests can still be read."""
        self._json("POST", "/stop")

    def remove(self, *, deregister: bool = False) -> None:
        """Delete the device."""
        self._json("DELETE", f"?deregister={str(deregister).lower()}")

    def refuse(
        self,
        code: str,
        *,
        path: str = "/",
        content_format: str | None = None,
        text: str | None = None,
        times: int = 0,
    ) -> None:
        """Respond to requests under `path`, of one format only if named, with a code like "4.05"; `times` 0: always."""
        self._behave({"path": path, "format": content_format, "refuse": code, "text": text, "times": times})

    def answer_late(self, milliseconds: int, *, path: str = "/", times: int = 0) -> None:
        """Execute requests at once and respond to them later."""
        self._behave({"path": path, "delayMs": milliseconds, "times": times})

    def never_answer(self, *, path: str = "/", carry_out: bool = True, times: int = 0) -> None:
        """Never respond; `carry_out` decides whether the requests are executed."""
        self._behave({"path": path, "silent" if carry_out else "ignore": True, "times": times})

    def reboot_over(self, when: RebootWhen, *, path: str = "/", boot_ms: int = 0, times: int = 1) -> None:
        """Reboot on a request before it is executed, after it without a response, or after the response."""
        self._behave({"path": path, "reboot": when, "bootMs": boot_ms, "times": times})

    def set_firmware(self, **behavior: object) -> None:
        """Set how it updates its firmware, as described in `leshan-server/README.md`: `fault="power_cut", times=1,
        boot_ms=500`. Without arguments: normally."""
        self._json("PUT", "/firmware", camel_case(behavior))

    def firmware_counts(self) -> dict[str, Any]:
        """Return what it did in firmware updates since its creation, over all reboots: `downloads`, `resumed`,
        `pushed`, `updates`, `failures`, and `applied` by version."""
        counts: dict[str, Any] = self.state()["firmware"]
        return counts

    def behave(self) -> None:
        """Remove every configured refusal, delay, silence and reboot."""
        self._json("DELETE", "/behaviour")

    def value(self, path: str) -> dict[str, Any] | None:
        """Return the node that the device holds, read without the network, or None if there is none."""
        node: dict[str, Any] | None = self._json("GET", "/value", params={"path": path})
        return node

    def received(self, *, method: str | None = None, path: str | None = None) -> list[Delivery]:
        """Return the requests that reached its objects, in order, each once however often it was retransmitted."""
        wanted = {key: value for key, value in (("method", method), ("path", path)) if value is not None}
        told = self._json("GET", "/received", params=wanted)
        return [
            Delivery(each["seq"], each["time"], each["method"], each["path"], each.get("value"), each.get("node"))
            for each in told["deliveries"]
        ]

    def datagrams(self) -> dict[str, int]:
        """Return the number of CoAP requests that arrived: `requests` with retransmissions, `dropped` because it
        slept."""
        counts: dict[str, int] = self._json("GET", "/received")["datagrams"]
        return counts

    def reset_received(self) -> None:
        """Clear the list of received requests."""
        self._json("DELETE", "/received")

    def _behave(self, behaviour: dict[str, object]) -> None:
        self._json("PUT", "/behaviour", {key: value for key, value in behaviour.items() if value is not None})

    def _uplink(self, what: str, told: dict[str, object]) -> Uplink:
        answer = self._json("POST", f"/{what}", told)
        return Uplink(answer["operation"], answer["code"], answer["error"])

    def _json(self, method: str, rest: str, told: object | None = None, params: Mapping[str, str] | None = None) -> Any:
        return _json(self._http.request(method, f"/devices/~{self.id}{rest}", json=told, params=params))


class Devices:
    """All devices of one process."""

    def __init__(self, url: str, pid: int | None = None) -> None:
        self.url = url
        self.pid = pid
        self._http = loopback.Client(base_url=url, timeout=CONTROL_TIMEOUT)

    def create(
        self,
        name: str,
        *,
        queue_mode: bool = False,
        lifetime: int = 86_400,
        objects: Iterable[int] = (3, 5, 3303, 3442),
        server: str | None = None,
        attributes: Mapping[str, str] | None = None,
        register: bool = True,
        credentials: Mapping[str, Mapping[str, str]] | None = None,
        **more: Any,
    ) -> Device:
        """Create a device, registered when this returns; `lifetime` in seconds; it always has objects 1 and 3.

        `credentials` are `{"psk": {..}}` or `{"x509": {..}}` for a server at `coaps:`; `more` are those of
        `device_spec`.

        Raises:
            DeviceError: the spec is invalid. A server that does not respond is not an error: check `registration_id`.
        """
        spec = device_spec(
            name,
            queue_mode=queue_mode,
            lifetime=lifetime,
            objects=objects,
            server=server,
            attributes=attributes,
            **more,
        )
        return Device(self._http, self._create(spec | dict(credentials or {}), register))

    def create_many(self, names: Iterable[str], **spec: Any) -> list[Device]:
        """Create many devices of one kind at once; the keywords are those of `create`, without `register`."""
        told = self._create([device_spec(name, **spec) for name in names], True)
        return [Device(self._http, each) for each in told]

    def all(self) -> list[Device]:
        """Return every device, including stopped ones."""
        return [Device(self._http, told) for told in _json(self._http.get("/devices"))]

    def close(self) -> None:
        """Close the connections to the control address; the devices continue."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, told: object, register: bool) -> Any:
        return _json(self._http.post("/devices", json=told, params={"register": str(register).lower()}))


def device_spec(
    name: str,
    *,
    queue_mode: bool = False,
    lifetime: int = 86_400,
    objects: Iterable[int] = (3, 5, 3303, 3442),
    server: str | None = None,
    attributes: Mapping[str, str] | None = None,
    observes: bool = True,
    formats: Iterable[str] | None = None,
    short_unsigned: bool = False,
    room: int = 1 << 20,
    firmware: Mapping[str, object] | None = None,
    radio: Mapping[str, Any] | None = None,
) -> dict[str, object]:
    """Return the JSON that requests a device.

    Args:
        observes: whether the device supports CoAP's Observe.
        formats: names of the content formats that it registers; None for all that it supports.
        short_unsigned: whether unsigned integers in TLV have no sign and the minimum of bytes: 255 is 0xff.
        room: bytes of the largest firmware package that it accepts.
        firmware: how it updates its firmware, as for `Device.set_firmware`.
        radio: the conditions of its radio (`{}`: perfect); None for no radio, it sends to its server directly.
    """
    return {
        "name": name,
        "queueMode": queue_mode,
        "lifetime": lifetime,
        "objects": sorted(objects),
        "server": server,
        "attributes": dict(attributes or {}),
        "observes": observes,
        "formats": None if formats is None else sorted(formats),
        "shortUnsigned": short_unsigned,
        "room": room,
        "firmware": camel_case(firmware or {}),
        "radio": None if radio is None else dict(radio),
    }


def camel_case(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with their names as in the devices' JSON: `boot_ms` is `bootMs`."""
    return {re.sub("_(.)", lambda match: match[1].upper(), name): value for name, value in fields.items()}


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DeviceError(answer.text)
    return answer.json() if answer.content else None
