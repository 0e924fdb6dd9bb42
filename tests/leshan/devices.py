"""Client of the control address of `leshan-server/run devices`, as `leshan-server/README.md` describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import httpx

CONTROL_TIMEOUT = 120.0
"""Seconds; a request to a server that does not answer is given up by the device after 10."""


class DeviceError(Exception):
    """The control address refused; the message is its reason."""


@dataclass(frozen=True)
class Uplink:
    """What came of a request of the device to its server: `code` such as 204, or 0 with the reason in `error`."""

    operation: str
    code: int
    error: str | None

    @property
    def ok(self) -> bool:
        """Whether the server answered with success."""
        return self.code // 100 == 2


@dataclass(frozen=True)
class Delivery:
    """One request that reached the device's objects; `time` in milliseconds since the epoch."""

    seq: int
    time: int
    method: str
    path: str
    value: str | None
    node: Mapping[str, Any] | None


RebootWhen = Literal["undone", "unanswered", "answered"]


@dataclass(frozen=True)
class Sample:
    """Values by path, and when they were measured: milliseconds since the epoch, or None to say no time."""

    time: int | None
    values: Mapping[str, object]


class Device:
    """One real LwM2M client. Every method that has the device speak returns when its server has answered, or not."""

    def __init__(self, http: httpx.Client, told: Mapping[str, Any]) -> None:
        self._http = http
        self.id: int = told["id"]
        self.name: str = told["name"]

    def state(self) -> dict[str, Any]:
        """Its name, registration id, port, objects and whether it hears."""
        state: dict[str, Any] = self._json("GET", "")
        return state

    @property
    def registration_id(self) -> str | None:
        """The id that its server gave it, or None."""
        identifier: str | None = self.state()["registrationId"]
        return identifier

    def wake(self, *, new_port: bool = False, lifetime: int | None = None) -> Uplink:
        """Hears again and sends a registration update; registers anew where the server does not know it any more."""
        return self._uplink("wake", {"newPort": new_port, "lifetime": lifetime})

    def register(self, *, new_port: bool = False) -> Uplink:
        """Hears again and registers in full, which takes the place of its registration."""
        return self._uplink("register", {"newPort": new_port})

    def deregister(self) -> Uplink:
        """Says goodbye."""
        return self._uplink("deregister", {})

    def send(self, paths: Sequence[str], *, content_format: str = "SENML_CBOR") -> Uplink:
        """LwM2M Send of the present values; also while it does not hear."""
        return self._uplink("send", {"paths": list(paths), "format": content_format})

    def send_samples(self, samples: Iterable[Sample], *, content_format: str = "SENML_CBOR") -> Uplink:
        """One LwM2M Send of values with their times; `set_clock` shifts these."""
        told = [{"time": sample.time, "values": dict(sample.values)} for sample in samples]
        return self._uplink("send", {"samples": told, "format": content_format})

    def reboot(self, *, boot_ms: int = 0) -> Uplink:
        """Loses its state and its CoAP memory, is off for so long, and registers anew; what it received is kept."""
        return self._uplink("reboot", {"bootMs": boot_ms})

    def set_clock(self, offset_ms: int) -> None:
        """From now on its clock is wrong by so much, in the times of its samples and in 3/0/13."""
        self._json("PUT", "/clock", {"offsetMs": offset_ms})

    def radio(self, **weather: Any) -> dict[str, Any]:
        """Sets its radio as `leshan-server/README.md` says (`loss=10, up={..}, hold=True`) and tells it, with counts.

        Raises:
            DeviceError: it was made without a radio.
        """
        told: dict[str, Any] = self._json("PUT", "/radio", weather)
        return told

    def rebind(self) -> None:
        """Its radio takes a new source port, and the device does not notice."""
        self._json("POST", "/radio/rebind")

    def notify(self, path: str, value: object) -> None:
        """Changes a value as the device itself, so that observers are notified. Values as in a write's JSON body."""
        self._json("POST", "/notify", {"path": path, "value": value})

    def sleep(self, *, hold: bool = False) -> None:
        """Hears no request any more: they are lost, or with `hold` wait and arrive when it hears again."""
        self._json("POST", "/sleep", {"hold": hold})

    def awake(self) -> None:
        """Hears again without telling the server."""
        self._json("POST", "/awake")

    def stop(self) -> None:
        """Vanishes without deregistration. What it received can still be asked for."""
        self._json("POST", "/stop")

    def remove(self, *, deregister: bool = False) -> None:
        """Is no more."""
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
        """Answers requests under `path`, of one format only if named, with a code like "4.05"; `times` 0: always."""
        self._behave({"path": path, "format": content_format, "refuse": code, "text": text, "times": times})

    def answer_late(self, milliseconds: int, *, path: str = "/", times: int = 0) -> None:
        """Carries requests out at once and answers them later."""
        self._behave({"path": path, "delayMs": milliseconds, "times": times})

    def never_answer(self, *, path: str = "/", carry_out: bool = True, times: int = 0) -> None:
        """Never answers; `carry_out` says whether it does what it is asked."""
        self._behave({"path": path, "silent" if carry_out else "ignore": True, "times": times})

    def reboot_over(self, when: RebootWhen, *, path: str = "/", boot_ms: int = 0, times: int = 1) -> None:
        """Reboots over a request which it has not carried out, not answered, or answered."""
        self._behave({"path": path, "reboot": when, "bootMs": boot_ms, "times": times})

    def behave(self) -> None:
        """Forgets every refusal, lateness, silence and reboot."""
        self._json("DELETE", "/behaviour")

    def value(self, path: str) -> dict[str, Any] | None:
        """The node which the device holds, read past the network; None where there is none."""
        node: dict[str, Any] | None = self._json("GET", "/value", params={"path": path})
        return node

    def received(self, *, method: str | None = None, path: str | None = None) -> list[Delivery]:
        """What reached its objects, in order, each request once however often it was retransmitted."""
        wanted = {key: value for key, value in (("method", method), ("path", path)) if value is not None}
        told = self._json("GET", "/received", params=wanted)
        return [
            Delivery(each["seq"], each["time"], each["method"], each["path"], each.get("value"), each.get("node"))
            for each in told["deliveries"]
        ]

    def datagrams(self) -> dict[str, int]:
        """CoAP requests that came in: `requests` with retransmissions, `dropped` because it slept."""
        counts: dict[str, int] = self._json("GET", "/received")["datagrams"]
        return counts

    def reset_received(self) -> None:
        """Forgets what it received."""
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
        self._http = httpx.Client(base_url=url, timeout=CONTROL_TIMEOUT)

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
        """A new device, registered when this returns; `lifetime` in seconds, objects 1 and 3 it always has.

        `credentials` are `{"psk": {..}}` or `{"x509": {..}}` for a server at `coaps:`; `more` is `device_spec`'s own.

        Raises:
            DeviceError: the spec is bad. That its server did not answer is no error: ask `registration_id`.
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
        """Many devices of one kind at once; the keywords are those of `create`, without `register`."""
        told = self._create([device_spec(name, **spec) for name in names], True)
        return [Device(self._http, each) for each in told]

    def all(self) -> list[Device]:
        """Every device there is, stopped ones too."""
        return [Device(self._http, told) for told in _json(self._http.get("/devices"))]

    def close(self) -> None:
        """Closes the connections to the control address; the devices go on."""
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
    radio: Mapping[str, Any] | None = None,
) -> dict[str, object]:
    """The JSON with which a device is asked for.

    Args:
        observes: whether it knows CoAP's Observe.
        formats: names of the content formats that it registers; None for all that it has.
        short_unsigned: whether unsigned integers in TLV have no sign and the fewest bytes to it: 255 is 0xff.
        room: bytes, the largest firmware package that it takes.
        radio: the weather of its radio (`{}`: fair); None for no radio, it speaks to its server directly.
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
        "radio": None if radio is None else dict(radio),
    }


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DeviceError(answer.text)
    return answer.json() if answer.content else None
