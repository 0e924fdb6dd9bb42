"""Authorization: tokens and roles over HTTP and WebSocket, other origins, other host names, and the senders of
events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support import loopback
from tests.support.api import Api, api, live, socket
from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Processes

VIEWER: Final = "a-viewer-s-token-of-tests"
OPERATOR: Final = "an-operator-s-token-of-tests"
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT_SECRET: Final = "whsec_" + "B" * 32
TOKEN: Final = "the-webhook-s-token-of-tests"
LISTED: Final = "https://dashboard.example"

CURSOR: Final = "{ transitionCursor }"
PROVISION: Final = "mutation ($name: String!) { provisionEndpoint(name: $name) { name } }"
STEPS: Final = "subscription { operationTransitions { number } }"
AWAKE: Final = {"event": "AWAKE", "data": {"ep": "posted"}}
JSON: Final = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[str]:
    """The address of an API process with tokens, reachable by any name."""
    with processes_in(tmp_path_factory.mktemp("guarded")) as group:
        yield group.start(
            "api",
            database_url=f"sqlite://{group.folder / 'reveille.db'}",
            auth=f"dashboard:viewer:{VIEWER},backoffice:operator:{OPERATOR}",
            allowed_origins=LISTED,
            webhook_secret=f"{SECRET},{NEXT_SECRET}",
            webhook_token=TOKEN,
        ).url


async def errors(client: Api, query: str, **variables: Any) -> tuple[int, str | None]:
    """Return the status, and the code of the one error."""
    answer = await client.post({"query": query, "variables": variables})
    found = answer.json().get("errors") or [{"extensions": {"code": None}}]
    return answer.status_code, found[0]["extensions"]["code"]


@pytest.mark.asyncio
@pytest.mark.parametrize("token", [None, "a-token-that-nobody-has"])
async def test_without_a_token_nothing_is_answered(guarded: str, token: str | None) -> None:
    async with api(guarded, token) as client:
        assert await errors(client, CURSOR) == (401, "UNAUTHENTICATED")
        assert await errors(client, PROVISION, name="x") == (401, "UNAUTHENTICATED")


@pytest.mark.asyncio
async def test_a_viewer_reads_and_an_operator_also_acts(guarded: str) -> None:
    async with api(guarded, VIEWER) as viewer, api(guarded, OPERATOR) as operator:
        assert await errors(viewer, CURSOR) == (200, None)
        assert await errors(viewer, PROVISION, name="x") == (200, "FORBIDDEN")
        assert await errors(operator, PROVISION, name="x") == (200, None)


@pytest.mark.asyncio
async def test_a_socket_accepts_the_token_of_its_first_message(guarded: str) -> None:
    for token in (VIEWER, OPERATOR):
        async with live(guarded, token) as connection:
            await connection.subscribe(STEPS)


@pytest.mark.asyncio
@pytest.mark.parametrize(("payload", "code"), [({}, 4401), ({"token": "a-token-that-nobody-has"}, 4403)])
async def test_a_socket_without_a_valid_token_is_closed(guarded: str, payload: dict[str, str], code: int) -> None:
    async with socket(guarded) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == code


@pytest.mark.asyncio
async def test_a_viewer_cannot_act_over_a_socket(guarded: str) -> None:
    async with live(guarded, VIEWER) as connection:
        subscription = await connection.subscribe(PROVISION, name="y")
        message = await subscription.arrived.get()
        told = message["payload"]["errors"] if message["type"] == "next" else message["payload"]
        assert told[0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.asyncio
async def test_the_page_health_and_metrics_need_no_token(guarded: str) -> None:
    async with api(guarded) as client:
        for path in ("/", "/health/live", "/health/ready?only=database", "/metrics"):
            assert (await client.http.get(path)).status_code == 200, path
        ready = await client.http.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["dispatcher"]["ok"]) == (503, False)


# --- other origins, and other names of this machine


@pytest.mark.asyncio
async def test_a_page_of_another_origin_cannot_open_a_socket(reveille_url: str, guarded: str) -> None:
    for url in (reveille_url, guarded):
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            await _init(url, "https://evil.example")
    assert await _init(guarded, LISTED) == "connection_ack"
    assert await _init(reveille_url, reveille_url) == "connection_ack"


async def _init(url: str, origin: str) -> str:
    async with socket(url, origin=origin) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": {"token": VIEWER}}))
        return str(json.loads(await connection.recv())["type"])


def test_a_page_of_another_origin_cannot_post_a_form(reveille_url: str) -> None:
    """A browser sends this to another origin without a preflight: it is not a JSON type, so nothing of it is
    executed."""
    name = f"form-{uuid4().hex}"
    body = json.dumps({"query": PROVISION, "variables": {"name": name}})
    headers = {"content-type": "text/plain", "origin": "https://evil.example"}
    assert loopback.post(f"{reveille_url}/graphql", content=body, headers=headers).status_code == 415
    preflight = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = httpx.options(f"{reveille_url}/graphql", headers=preflight)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.asyncio
async def test_without_tokens_only_this_machine_s_names_are_answered(reveille_url: str, guarded: str) -> None:
    foreign = {"host": "rebound.example"}
    async with api(reveille_url) as client, api(guarded) as other:
        for path in ("/", "/graphql?query={transitionCursor}", "/health/live"):
            assert (await client.http.get(path, headers=foreign)).status_code == 403, path
        assert (await client.http.post("/leshan/events", json=AWAKE, headers=foreign)).status_code == 403
        assert (await other.http.get("/health/live", headers=foreign)).status_code == 200
    port = urlsplit(reveille_url).port
    rebound: dict[str, Any] = {"host": "127.0.0.1", "port": port}
    twice: dict[str, Any] = {"additional_headers": {"Host": "rebound"}}  # in addition to the right one
    for url, more, status in (("http://rebound.example", rebound, "403"), (reveille_url, twice, "400")):
        with pytest.raises(InvalidStatus, match=status):
            async with socket(url, **more):
                pass


def test_every_response_has_the_security_headers(reveille_url: str) -> None:
    headers = loopback.get(reveille_url).headers
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert "server" not in headers


# --- the webhook


def post(url: str, body: Any, **headers: str) -> int:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return loopback.post(url, content=content, headers=sent).status_code


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    id_ = uuid4().hex
    signature = Webhook(secret).sign(id_, moment, body.decode())
    return {"webhook_id": id_, "webhook_timestamp": str(int(moment.timestamp())), "webhook_signature": signature}


def test_the_webhook_accepts_signed_posts_and_posts_with_the_token(guarded: str) -> None:
    url, body = f"{guarded}/leshan/events", json.dumps(AWAKE).encode()
    assert post(url, body, **signed(body)) == 202
    assert post(url, body, **signed(body, secret=NEXT_SECRET)) == 202
    assert post(url, body, authorization=f"Bearer {TOKEN}") == 202
    assert post(url, body) == 401
    assert post(url, body, authorization=f"Bearer {OPERATOR}") == 401
    assert post(url, body, **signed(body, time.time() - 3600)) == 401
    assert post(url, body + b" ", **signed(body)) == 401
    assert post(url, body, **signed(body, secret="whsec_" + "A" * 32)) == 401


def test_the_older_addresses_need_the_token(guarded: str) -> None:
    bodies = {"single": {"ep": "older", "obj_id": 3303, "val": None}, "composite": {"ep": "older", "val": {}}}
    elsewhere = {"x_forwarded_for": "198.51.100.7"}
    for form, body in bodies.items():
        address = f"leshan_api/resource/{form}"
        assert post(f"{guarded}/{address}", body) == 401
        assert post(f"{guarded}/{address}", body, **elsewhere) == 401
        assert post(f"{guarded}/{address}", body, authorization=f"Bearer {TOKEN}") == 401
        assert post(f"{guarded}/w/not-the-token-of-tests/{address}", body) == 401
        assert post(f"{guarded}/w/{TOKEN}/{address}", body, **elsewhere) == 202


def test_without_secret_and_token_only_this_machine_may_post_events(reveille_url: str) -> None:
    url = f"{reveille_url}/leshan/events"
    assert post(url, AWAKE) == 202
    assert post(url, AWAKE, x_forwarded_for="198.51.100.7") == 403
    assert post(url, AWAKE, forwarded="for=198.51.100.7") == 403


def test_no_setting_s_secret_is_logged(guarded: str, started: list[Processes]) -> None:
    logs = "".join(process.log for group in started for process in group.running)
    assert [secret for secret in (VIEWER, OPERATOR, TOKEN, SECRET, NEXT_SECRET) if secret in logs] == []
