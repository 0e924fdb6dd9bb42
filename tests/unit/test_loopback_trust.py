"""Access without a token: all routes are open only to direct requests from this machine, and only if neither tokens nor
secrets are configured."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from starlette.routing import BaseRoute
from starlette.types import Message, Scope

from app.authentication import Authenticator
from app.bus import BusHealth
from app.dispatcher.verdict import judge
from app.health import Health
from app.http_app import application
from app.leshan.webhook import Batch, webhook_routes
from app.models.ledger import Ledger, Rules
from app.models.live import LiveLog
from app.models.object_models import ObjectModelCache
from app.schema.api.context import SchemaContext
from app.schema.transport.http import graphql_routes
from app.security import parse_access
from app.settings import Settings
from app.web import web_app
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

AUTH: Final = "page:operator:an-operator-s-token"
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN: Final = "the-webhook-s-token"

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    "open": {"allow_open": True},
    "auth": {"auth": parse_access(AUTH)},
    "secret": {"webhook_secret": SECRET},
    "token": {"webhook_token": TOKEN},
    "all": {"auth": parse_access(AUTH), "webhook_secret": SECRET, "webhook_token": TOKEN},
}

FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
HERE: Final[dict[str, str]] = {}

SINGLE: Final = {"ep": "dev", "obj_id": 3303, "val": None}
AWAKE: Final = {"event": "AWAKE", "data": {"ep": "dev"}}
NAME: Final = {"query": "{ __typename }"}

Route = tuple[str, str, Any, dict[str, str]]
"""Method, path with query, JSON body and headers."""

PUBLIC: Final[dict[str, Route]] = {
    "page": ("GET", "/", None, {}),
    "live": ("GET", "/health/live", None, {}),
    "ready": ("GET", "/health/ready?only=bus", None, {}),
    "metrics": ("GET", "/metrics", None, {}),
    "graphiql": ("GET", "/graphql", None, {"accept": "text/html"}),
}
GRAPHQL: Final[dict[str, Route]] = {
    "graphql post": ("POST", "/graphql", NAME, {}),
    "graphql get": ("GET", "/graphql?query={__typename}", None, {}),
    "graphql sse": ("POST", "/graphql", NAME, {"accept": "text/event-stream"}),
}
WEBHOOK: Final[dict[str, Route]] = {
    "events": ("POST", "/leshan/events", AWAKE, {}),
    "single": ("POST", "/leshan_api/resource/single", SINGLE, {}),
    "composite": ("POST", "/leshan_api/resource/composite", {"ep": "dev", "val": {}}, {}),
}
WITH_TOKEN: Final[dict[str, Route]] = {
    "single": ("POST", f"/w/{TOKEN}/leshan_api/resource/single", SINGLE, {}),
    "composite": ("POST", f"/w/{TOKEN}/leshan_api/resource/composite", {"ep": "dev", "val": {}}, {}),
}
ROUTES: Final = PUBLIC | GRAPHQL | WEBHOOK

SERVED: Final = {
    "nothing": ROUTES.keys(),
    "open": ROUTES.keys(),
    "auth": PUBLIC.keys(),
    "secret": PUBLIC.keys(),
    "token": PUBLIC.keys(),
    "all": PUBLIC.keys(),
}
"""The routes that serve a direct caller on this machine without any token."""

SERVED_ELSEWHERE: Final = {**SERVED, "nothing": set(), "open": PUBLIC.keys() | GRAPHQL.keys()}
"""The routes that serve every other caller: through a proxy on this machine, or from another one."""


class Process:
    """The HTTP surface of an API process with these settings, and the batches that it received."""

    def __init__(self, **settings: Any) -> None:
        self.heard: list[Batch] = []
        self.settings = Settings(**settings)
        given = self.settings
        authenticator = Authenticator(given.auth, allows_open=given.allows_open_access)
        context = SchemaContext(
            ledger=cast(Ledger, SimpleNamespace(rules=Rules(judge))),
            live=cast(LiveLog, None),
            object_models=ObjectModelCache(1),
            authenticator=authenticator,
        )
        webhook = webhook_routes(
            self.ingest,
            secrets=given.webhook_secrets,
            token=given.webhook_token,
            trust_loopback=lambda: given.trusts_loopback,
        )
        self.health: list[BaseRoute] = [
            *Health(1, lambda: BusHealth(ok=True, detail="connected"), self.write, uses_stream=True).routes()
        ]
        self.authenticator = authenticator
        self.app = web_app(given, authenticator, [*graphql_routes(context), *webhook, *self.health])

    async def write(self) -> None:
        """Act as a writable database."""

    async def ingest(self, batch: Batch) -> None:
        self.heard.append(batch)

    async def status(self, route: Route, headers: dict[str, str], caller: str = "127.0.0.1") -> int:
        method, path, body, own = route
        path, _, query = path.partition("?")
        scope = _scope("http", path, {**own, **headers}, caller)
        scope |= {"method": method, "query_string": query.encode()}
        content = b"" if body is None else json.dumps(body).encode()
        sent = await self._run(scope, [{"type": "http.request", "body": content}])
        return int(next(message["status"] for message in sent if message["type"] == "http.response.start"))

    async def socket(self, headers: dict[str, str], caller: str = "127.0.0.1") -> str:
        """Return the progress of a WebSocket without a token: refused, closed after its first message, or
        acknowledged."""
        scope = _scope("websocket", "/graphql", headers, caller)
        scope["subprotocols"] = ["graphql-transport-ws"]
        messages: list[Message] = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": '{"type":"connection_init"}'},
            {"type": "websocket.disconnect", "code": 1000},
        ]
        sent = await self._run(scope, messages)
        if sent[0]["type"] == "websocket.close":
            return "refused"
        return "acknowledged" if "connection_ack" in str(sent[1].get("text")) else f"closed {sent[1]['code']}"

    async def _run(self, scope: Scope, messages: list[Message]) -> list[Message]:
        sent: list[Message] = []
        complete = asyncio.Event()

        async def receive() -> Message:
            if messages and messages[0]["type"] == "websocket.disconnect":
                await eventually(lambda: len(sent) > 1)
            if messages:
                return messages.pop(0)
            await complete.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                complete.set()

        await self.app(scope, receive, send)
        return sent


def _scope(kind: str, path: str, headers: dict[str, str], caller: str) -> dict[str, Any]:
    given = {"host": "localhost:8000", "content-type": "application/json", **headers}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": raw,
        "client": (caller, 40_000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


@pytest.mark.parametrize("configured", SETTINGS)
@pytest.mark.parametrize("name", ROUTES)
async def test_every_route_by_callers_without_a_token(name: str, configured: str) -> None:
    process = Process(**SETTINGS[configured])
    served = await process.status(ROUTES[name], HERE) < 400  # / is redirected without the dashboard
    assert served == (name in SERVED[configured])
    for header in FORWARDED:
        served = await process.status(ROUTES[name], {header: "198.51.100.7"}) < 400
        assert served == (name in SERVED_ELSEWHERE[configured]), header
    served = await process.status(ROUTES[name], HERE, caller="198.51.100.7") < 400
    assert served == (name in SERVED_ELSEWHERE[configured])
    assert bool(process.heard) == (name in WEBHOOK and name in SERVED[configured])


@pytest.mark.parametrize(
    ("configured", "here", "elsewhere"),
    [
        ("nothing", "acknowledged", "refused"),
        ("open", "acknowledged", "acknowledged"),
        ("auth", "closed 4401", "closed 4401"),
        ("secret", "closed 4401", "closed 4401"),
        ("token", "closed 4401", "closed 4401"),
        ("all", "closed 4401", "closed 4401"),
    ],
)
async def test_a_websocket_by_callers_without_a_token(configured: str, here: str, elsewhere: str) -> None:
    process = Process(**SETTINGS[configured])
    assert await process.socket(HERE) == here
    for header in FORWARDED:
        assert await process.socket({header: "198.51.100.7"}) == elsewhere, header
    assert await process.socket(HERE, caller="198.51.100.7") == elsewhere


@pytest.mark.parametrize("form", WITH_TOKEN)
@pytest.mark.parametrize("caller", ["127.0.0.1", "198.51.100.7"])
async def test_the_older_addresses_accept_the_token_from_any_machine(form: str, caller: str) -> None:
    process = Process(**SETTINGS["all"])
    assert await process.status(WITH_TOKEN[form], {"x-forwarded-for": "198.51.100.7"}, caller) == 202
    assert await process.status(WEBHOOK[form], {"authorization": f"Bearer {TOKEN}"}, caller) == 401
    assert len(process.heard) == 1
    for other in ("nothing", "auth", "secret"):
        assert await Process(**SETTINGS[other]).status(WITH_TOKEN[form], HERE) == 401


@pytest.mark.parametrize("name", ["live", "ready", "metrics"])
async def test_a_worker_s_health_port_is_as_an_api_s(name: str) -> None:
    for configured in SETTINGS:
        process = Process(**SETTINGS[configured])
        process.app = application(process.settings, process.authenticator, process.health)
        assert await process.status(PUBLIC[name], HERE) == 200
        forwarded = await process.status(PUBLIC[name], {"via": "1.1 proxy"})
        assert forwarded == (403 if configured == "nothing" else 200)


async def test_under_another_host_name_nothing_is_served_without_tokens() -> None:
    """A web page elsewhere whose name points to 127.0.0.1 sends that name as the host."""
    process = Process()
    for route in ROUTES.values():
        assert await process.status(route, {"host": "rebound.example"}) == 403
    assert await process.socket({"host": "rebound.example"}) == "refused"
