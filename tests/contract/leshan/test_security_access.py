"""Access to the Leshan server's REST API, and the configurations with which the server refuses to start."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.conftest import missing
from tests.support import loopback
from tests.support.leshan.certificates import Certificate, authority, openssl_is_missing, signed_by
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer, leshan_both, leshan_server
from tests.support.servers.process import ServerFailed
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("java")]

TOKEN: Final = "correct-horse-battery-staple"
EVERYWHERE: Final = "0.0.0.0"


class Pki:
    """A certificate authority and the certificates that it signed for a server and one of its callers."""

    def __init__(self, folder: Path) -> None:
        self.authority = authority(folder)
        self.server = signed_by(self.authority, folder, "localhost", also="IP:127.0.0.1")
        self.caller = signed_by(self.authority, folder, "caller")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    if openssl_is_missing():
        missing("openssl")
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def guarded(pki: Pki) -> Iterator[LeshanServer]:
    """Run a server for callers with the token, over HTTPS, on all interfaces."""
    options = ["--http-host", EVERYWHERE, "--https-cert", pki.server.certificate, "--https-key", pki.server.key]
    environment = {"LESHAN_SERVER_API_TOKEN": TOKEN, "LESHAN_SERVER_LOG": "TRACE"}
    with leshan_server(options=options, environment=environment) as running:
        yield running


async def test_a_caller_with_the_token_is_admitted(guarded: LeshanServer, pki: Pki) -> None:
    answer = await ask(guarded, "/api/clients", pki, authorization=f"Bearer {TOKEN}")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("shown", [None, "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x"])
@pytest.mark.parametrize("path", ["/api/clients", "/api/event", "/api/security/clients", "/metrics", "/", "/nothing"])
async def test_a_caller_without_the_token_receives_401_and_nothing_else(
    guarded: LeshanServer, pki: Pki, path: str, shown: str | None
) -> None:
    answer = await ask(guarded, path, pki, authorization=shown, accept="application/json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert {key: answer.json()[key] for key in ("code", "delivery")} == {"code": "UNAUTHORIZED", "delivery": "NOT_SENT"}
    plain = await ask(guarded, path, pki, authorization=shown, accept="text/event-stream")
    assert (plain.status_code, plain.headers["content-type"]) == (401, "text/plain;charset=utf-8")


async def test_health_needs_no_token(guarded: LeshanServer, pki: Pki) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (await ask(guarded, path, pki)).status_code == 200
    for path in ("/health/live/../../api/clients", "/health/ready;/api/clients", "/health/live/"):
        assert (await ask(guarded, path, pki)).status_code in {400, 401, 404}, path


async def test_the_token_is_not_in_the_log(guarded: LeshanServer, pki: Pki) -> None:
    for shown in (TOKEN, "wrong-" + TOKEN):
        await ask(guarded, "/api/clients", pki, authorization=f"Bearer {shown}")
    assert TOKEN not in guarded.process.log.read_text(errors="replace")


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://attacker.example:8080"])
async def test_a_web_page_of_another_origin_cannot_use_an_open_server(
    production_leshan: LeshanServer, our_leshan: LeshanServer, leshan_devices: Devices, origin: str
) -> None:
    for server in (production_leshan, our_leshan):
        device = await asyncio.to_thread(leshan_devices.create, "paged", server=server.coap_uri)
        urls = [f"{server.url}/clients/paged/3442/0/3", f"{leshan_devices.url}/devices/paged/reboot"]
        async with loopback.AsyncClient(timeout=BOUND) as http:
            answers = [await http.post(url, headers={"Origin": origin}) for url in urls]
            assert [answer.status_code for answer in answers] == [403, 403]
            assert await asyncio.to_thread(device.received) == []
            own = await http.post(urls[0], headers={"Origin": "http://localhost:8080"})
            assert own.json()["success"]
        await asyncio.to_thread(device.remove, deregister=True)


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Host": "rebound.example:8080"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_page_whose_name_points_here_cannot_read_an_open_server(
    production_leshan: LeshanServer, our_leshan: LeshanServer, leshan_devices: Devices, headers: dict[str, str]
) -> None:
    urls = [f"{production_leshan.url}/clients", f"{our_leshan.url}/clients", f"{leshan_devices.url}/devices"]
    async with loopback.AsyncClient(timeout=BOUND) as http:
        assert [(await http.get(url, headers=headers)).status_code for url in urls] == [403, 403, 403]
        refused = await http.get(urls[0], headers=headers | {"Accept": "application/json"})
        assert (refused.json()["code"], refused.json()["delivery"]) == ("FORBIDDEN", "NOT_SENT")
        for host in ("localhost", "127.0.0.1:8080", "[::1]"):
            assert [(await http.get(url, headers={"Host": host})).status_code for url in urls] == [200, 200, 200]


async def test_an_open_server_is_reached_by_its_configured_names() -> None:
    with leshan_both(options=["--http-name", "leshan.example", "--control-name", "one.example,two.example"]) as ports:
        async with loopback.AsyncClient(timeout=BOUND) as http:

            async def status(port: int, path: str, name: str) -> int:
                headers = {"Host": name, "Origin": f"http://{name}"}
                return (await http.get(f"http://127.0.0.1:{port}{path}", headers=headers)).status_code

            assert await status(ports["http"], "/api/clients", "leshan.example") == 200
            assert await status(ports["http"], "/api/clients", "one.example") == 403
            assert await status(ports["control"], "/devices", "two.example") == 200
            assert await status(ports["control"], "/devices", "leshan.example") == 403


async def test_a_web_page_with_the_token_is_admitted(guarded: LeshanServer, pki: Pki) -> None:
    answer = await ask(
        guarded, "/api/clients", pki, authorization=f"Bearer {TOKEN}", origin="https://dashboard.example"
    )
    assert answer.status_code == 200


async def test_callers_with_a_certificate_of_the_authority_are_admitted(pki: Pki) -> None:
    with leshan_server(
        options=[
            *("--http-host", EVERYWHERE, "--https-cert", pki.server.certificate, "--https-key", pki.server.key),
            *("--https-client-ca", pki.authority.certificate),
        ]
    ) as server:
        assert (await ask(server, "/api/clients", pki, caller=pki.caller)).status_code == 200
        # The browser that holds the certificate presents it for the pages of every site.
        for origin, site in ((None, "cross-site"), (None, "same-site"), ("https://attacker.example", "cross-site")):
            refused = await ask(server, "/api/clients", pki, caller=pki.caller, origin=origin, site=site)
            assert (refused.status_code, refused.text[:10]) == (403, "Forbidden:")
        assert (await ask(server, "/api/clients", pki, caller=pki.caller, site="none")).status_code == 200
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await ask(server, "/api/clients", pki)


async def test_a_token_file_may_contain_the_old_and_the_new_token(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("old-token\n\nnew-token\n")
    with leshan_server(options=["--api-token-file", tokens]) as server:
        async with loopback.AsyncClient(base_url=server.url, timeout=BOUND) as client:
            for token, status in (("old-token", 200), ("new-token", 200), ("other", 401)):
                answer = await client.get("/clients", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == status, token


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--http-host", EVERYWHERE], "would be open to every caller"),
        (["--host", EVERYWHERE], "would be open to every caller"),
        (["--coap-host", EVERYWHERE], "would be without security"),
        (["--no-coap"], "leaves no port for devices"),
    ],
)
async def test_a_server_open_to_all_networks_does_not_start(options: list[str], sentence: str) -> None:
    with pytest.raises(ServerFailed, match=sentence), leshan_server(options=options):
        pass


async def test_a_server_with_one_unavailable_port_does_not_start() -> None:
    with leshan_server(options=["--coaps-port", 0]) as server:
        with pytest.raises(ServerFailed, match=f"CoAP is not served at coap://127.0.0.1:{server.coap_port}"):
            leshan_server(coap_port=server.coap_port, options=["--coaps-port", 0]).__enter__()
        with pytest.raises(ServerFailed, match="Port already in use"):
            leshan_server(http_port=server.http_port).__enter__()
        async with loopback.AsyncClient(timeout=BOUND) as client:
            ready = await client.get(f"http://127.0.0.1:{server.http_port}/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": {}})


async def test_an_open_network_must_be_configured_explicitly() -> None:
    with leshan_server(options=["--coap-host", EVERYWHERE, "--insecure-coap"]) as server:
        assert server.coap_port > 0
    with leshan_server(options=["--coap-host", EVERYWHERE, "--no-coap", "--coaps-port", 0]) as server:
        assert (server.coap_port, server.coaps_port > 0) == (0, True)


async def test_the_control_address_of_devices_is_always_on_loopback() -> None:
    for options, there, not_there in (
        (["--host", "127.0.0.2"], "127.0.0.1", "127.0.0.2"),
        (["--host", "127.0.0.2", "--control-host", "127.0.0.3"], "127.0.0.3", "127.0.0.1"),
    ):
        with leshan_both(options=options) as ports:
            async with loopback.AsyncClient(timeout=BOUND) as http:
                assert (await http.get(f"http://127.0.0.2:{ports['http']}/api/clients")).json() == []
                assert (await http.get(f"http://{there}:{ports['control']}/devices")).json() == []
                with pytest.raises(httpx.ConnectError):
                    await http.get(f"http://{not_there}:{ports['control']}/devices")


async def test_options_come_from_the_environment_and_from_a_file(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text('# where devices are\n--coap-host\n"127.0.0.2"\n')
    with leshan_server(options=[f"@{settings}"], environment={"LESHAN_SERVER_COAPS_PORT": "0"}) as server:
        async with loopback.AsyncClient(base_url=server.url, timeout=BOUND) as client:
            uris = [endpoint["uri"] for endpoint in (await client.get("/server/endpoint")).json()]
    assert sorted((uri["scheme"], uri["host"]) for uri in uris) == [("coap", "127.0.0.2"), ("coaps", "127.0.0.2")]


async def ask(
    server: LeshanServer,
    path: str,
    pki: Pki,
    *,
    authorization: str | None = None,
    accept: str = "*/*",
    caller: Certificate | None = None,
    origin: str | None = None,
    site: str | None = None,
) -> httpx.Response:
    """Send a request over HTTPS with the path unchanged."""
    context = ssl.create_default_context(cafile=str(pki.authority.certificate))
    if caller is not None:
        context.load_cert_chain(caller.certificate, caller.key)
    headers: dict[str, Any] = {"Accept": accept} | ({"Authorization": authorization} if authorization else {})
    headers |= ({"Origin": origin} if origin else {}) | ({"Sec-Fetch-Site": site} if site else {})
    async with loopback.AsyncClient(verify=context, timeout=BOUND) as client:
        request = client.build_request("GET", f"https://127.0.0.1:{server.http_port}", headers=headers)
        request.url = request.url.copy_with(raw_path=path.encode())
        return await client.send(request)
