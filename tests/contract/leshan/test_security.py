"""Authentication of devices: real DTLS, pre-shared keys and certificates, names bound to identities."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest

from tests.conftest import missing
from tests.support import loopback
from tests.support.leshan.certificates import Certificate, authority, openssl_is_missing, signed_by
from tests.support.leshan.devices import Device, Devices, Uplink
from tests.support.leshan.launch import LeshanServer, leshan_server
from tests.support.leshan.nat import routed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

FORBIDDEN: Final = 403
CREDENTIALS: Final = "security/clients"
T = TypeVar("T")


class Pki:
    """A certificate authority and the certificates that it signed: the server's, and one for each requested device
    name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = authority(folder)
        self.server = signed_by(self.authority, folder, "localhost", also="IP:127.0.0.1")

    def device(self, name: str) -> dict[str, dict[str, str]]:
        """Return a device's credentials in the form that the devices' control address takes."""
        return self.shown(signed_by(self.authority, self._folder, name))

    def shown(self, device: Certificate) -> dict[str, dict[str, str]]:
        """Return a device's certificate and key, and the certificate of the server that it trusts."""
        files = {"certificate": device.certificate, "key": device.key, "server": self.server.certificate}
        return {"x509": {name: file.read_text() for name, file in files.items()}}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    if openssl_is_missing():
        missing("openssl")
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(pki: Pki) -> Iterator[LeshanServer]:
    """Run a server that logs at TRACE, so that its log omits nothing."""
    identity = ["--coaps-cert", pki.server.certificate, "--coaps-key", pki.server.key]
    options = ["--coaps-port", 0, *identity, "--coaps-trust", pki.authority.certificate]
    with leshan_server(options=options, environment={"LESHAN_SERVER_LOG": "TRACE"}) as running:
        yield running


class Provisioned:
    """A name with a pre-shared key that the server knows."""

    def __init__(self, server: LeshanServer, name: str) -> None:
        self.name = name
        self.identity = f"{name}-identity"
        self.key = secrets.token_bytes(16)
        put(server, psk(name, self.identity, self.key.hex()))

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        return {"psk": {"identity": self.identity, "key": self.key.hex()}}


@pytest.fixture
def known(server: LeshanServer, request: pytest.FixtureRequest) -> Provisioned:
    """Provide a name of the test's own."""
    return Provisioned(server, request.node.name)


def psk(name: str, identity: str, key: str) -> dict[str, Any]:
    return {"endpoint": name, "tls": {"mode": "psk", "details": {"identity": identity, "key": key}}}


def put(server: LeshanServer, body: dict[str, Any]) -> None:
    answer = loopback.put(f"{server.url}/{CREDENTIALS}", json=body)
    assert (answer.status_code, answer.text) == (200, "")


def registered(server: LeshanServer, name: str) -> bool:
    return any(client["endpoint"] == name for client in server.clients())


async def told(action: Callable[[], T]) -> T:
    """Run a device's action in a thread: the server's response may have to pass through the event loop."""
    return await asyncio.to_thread(action)


async def arrive(devices: Devices, name: str, server_uri: str, credentials: dict[str, Any]) -> tuple[Device, Uplink]:
    """Create a device that tries to register; return it with the result."""
    device = await told(
        lambda: devices.create(name, server=server_uri, credentials=credentials, register=False),
    )
    return device, await told(device.register)


async def test_a_device_with_its_key_registers_and_answers(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, known.credentials)
    assert uplink.code == 201
    registration = (await ask(server, "GET", f"clients/{known.name}")).json()
    assert registration["secure"] is True
    assert (await read(server, known.name))["success"] is True
    assert (await told(device.wake)).code == 204
    device.remove(deregister=True)
    assert not registered(server, known.name)


async def test_a_device_with_a_wrong_key_does_not_register(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    wrong = {"psk": {"identity": known.identity, "key": secrets.token_hex(16)}}
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, wrong)
    assert uplink.code == 0
    assert not registered(server, known.name)
    device.remove()


async def test_a_name_is_bound_to_its_identity(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    other = Provisioned(server, f"{known.name}-other")
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, other.credentials)
    assert uplink.code == FORBIDDEN
    unknown, refused = await arrive(leshan_devices, f"{known.name}-unknown", server.coaps_uri, other.credentials)
    assert refused.code == FORBIDDEN
    assert [registered(server, each.name) for each in (device, unknown)] == [False, False]
    device.remove()
    unknown.remove()


async def test_a_name_with_credentials_does_not_register_without_security(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    device, uplink = await arrive(leshan_devices, known.name, server.coap_uri, {})
    assert uplink.code == FORBIDDEN
    assert not registered(server, known.name)
    device.remove()


async def test_a_device_with_a_certificate_registers_under_the_name_in_it(
    server: LeshanServer, leshan_devices: Devices, pki: Pki
) -> None:
    for name in ("certified", "certified-too"):
        put(server, {"endpoint": name, "tls": {"mode": "x509"}})
    device, uplink = await arrive(leshan_devices, "certified", server.coaps_uri, pki.device("certified"))
    assert uplink.code == 201
    assert (await read(server, "certified"))["success"] is True
    other, refused = await arrive(leshan_devices, "certified-too", server.coaps_uri, pki.device("certified"))
    assert refused.code == FORBIDDEN
    device.remove(deregister=True)
    other.remove()


async def test_a_certificate_of_another_authority_is_rejected(
    server: LeshanServer, leshan_devices: Devices, pki: Pki, tmp_path: Path
) -> None:
    put(server, {"endpoint": "forged", "tls": {"mode": "x509"}})
    forged = signed_by(authority(tmp_path, "stranger"), tmp_path, "forged")
    device, uplink = await arrive(leshan_devices, "forged", server.coaps_uri, pki.shown(forged))
    assert uplink.code == 0
    assert not registered(server, "forged")
    device.remove()


async def test_a_changed_address_needs_no_new_handshake(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    async with routed(server.coaps_port) as router:
        uri = f"coaps://127.0.0.1:{router.address[1]}"
        device, uplink = await arrive(leshan_devices, known.name, uri, known.credentials)
        assert uplink.code == 201
        before = router.seen_as
        await router.rebind()
        assert router.seen_as != before
        # With the key replaced no handshake can succeed: the connection can continue only by its connection id.
        await told(lambda: put(server, psk(known.name, known.identity, secrets.token_hex(16))))
        assert (await told(device.wake)).code == 204
        registration = (await ask(server, "GET", f"clients/{known.name}")).json()
        assert registration["address"] == f"127.0.0.1:{router.seen_as[1]}"
        assert (await read(server, known.name))["success"] is True
        await told(device.remove)


async def test_deleted_credentials_end_the_device_s_connection(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, known.credentials)
    assert uplink.code == 201
    address = f"{CREDENTIALS}/{known.name}"
    assert (await ask(server, "DELETE", address)).text == ""
    assert (await ask(server, "DELETE", address)).json() == {"message": "not_found"}
    assert (await ask(server, "GET", address)).status_code == 404
    assert (await told(device.wake)).code == 0
    device.remove()


async def test_deleted_credentials_end_the_device_s_registration(
    server: LeshanServer, leshan_devices: Devices, known: Provisioned
) -> None:
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, known.credentials)
    assert uplink.code == 201
    await eventually(lambda: registered(server, known.name))
    async with (
        loopback.AsyncClient(timeout=30, headers={"Accept": "text/event-stream"}) as client,
        client.stream("GET", f"{server.url}/event?ep={known.name}") as stream,
        asyncio.timeout(20),
    ):
        assert (await ask(server, "DELETE", f"{CREDENTIALS}/{known.name}")).text == ""
        async for line in stream.aiter_lines():
            if line.startswith("data:") and '"reason"' in line:
                break
    assert json.loads(line.removeprefix("data:"))["reason"] == "REMOVED"
    answer = await ask(server, "GET", f"clients/{known.name}/3/0/0?timeout=10", headers={"Accept": "application/json"})
    told_code = {key: answer.json()[key] for key in ("code", "delivery")}
    assert (answer.status_code, told_code) == (400, {"code": "NOT_REGISTERED", "delivery": "NOT_SENT"})
    assert not registered(server, known.name)
    device.remove()


async def test_secrets_are_never_returned(server: LeshanServer, leshan_devices: Devices, known: Provisioned) -> None:
    device, uplink = await arrive(leshan_devices, known.name, server.coaps_uri, known.credentials)
    assert uplink.code == 201
    told_form = {"endpoint": known.name, "tls": {"mode": "psk", "details": {"identity": known.identity}}}
    assert told_form in (await ask(server, "GET", CREDENTIALS)).json()
    assert (await ask(server, "GET", f"{CREDENTIALS}/{known.name}")).json() == told_form
    bodies: list[dict[str, Any]] = [
        {"json": psk("thief", known.identity, known.key.hex())},
        {"content": json.dumps(psk("x", "y", known.key.hex()))[:-1]},
        {"json": psk("x", "y", known.key.hex() + "z")},
        {"json": {"endpoint": "x", "oscore": {"msec": known.key.hex()}}},
    ]
    answers = [await ask(server, "PUT", CREDENTIALS, **body) for body in bodies]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400]
    device.remove(deregister=True)
    log = server.process.log.read_text(errors="replace")
    assert known.name in log, "the log is one that tells everything else"
    said = "\n".join(answer.text for answer in answers) + log
    assert [part for part in parts(known.key) if part in said] == []


def parts(key: bytes) -> list[str]:
    """Return the texts that would reveal a part of a key, in the forms in which programs write bytes."""
    texts = (key.hex(), key.hex().upper(), key.hex(" "), key.hex(":"), base64.b64encode(key).decode())
    return [text[start : start + 12] for text in texts for start in range(len(text) - 11)]


async def test_the_server_returns_its_certificate(server: LeshanServer, pki: Pki) -> None:
    pem = "".join(pki.server.certificate.read_text().splitlines()[1:-1])
    for path in ("server/security", "security/server"):
        certificate = (await ask(server, "GET", path)).json()["certificate"]
        assert certificate["b64Der"] == pem
        assert set(certificate["pubkey"]) == {"x", "y", "params", "b64Der"}


async def read(server: LeshanServer, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await ask(server, "GET", f"clients/{name}/3/0/0?timeout=10")).json()
    return answer


async def ask(server: LeshanServer, method: str, path: str, **more: Any) -> httpx.Response:
    """Send a request to the REST API."""
    async with loopback.AsyncClient(timeout=30) as client:
        return await client.request(method, f"{server.url}/{path}", **more)
