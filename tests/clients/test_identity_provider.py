"""JWTs of a real issuer, npm's oidc-provider, over HTTP, WebSocket and event streams: rotation, withdrawal, absence and
expiry."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.clients.node import FOLDER, Node
from tests.support import loopback
from tests.support.api import Api, api, socket
from tests.support.jwts import unsigned
from tests.support.ports import free_port
from tests.support.process_fixtures import ProcessesIn
from tests.support.servers.process import Server, start
from tests.support.waiting import BOUND, eventually

VIEWER: Final = "{ viewer { name role } }"
STEPS: Final = "subscription { operationTransitions { number } }"


@dataclass
class Issuer:
    """An identity provider that can be restarted with another key at the same address."""

    folder: Path
    port: int
    environment: dict[str, str]
    server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, key_id: str, algorithm: str, seconds: int) -> None:
        """Start with a new key, and access tokens that expire after so many seconds."""
        script = FOLDER / "support/issuer.js"
        arguments = [shutil.which("node") or "node", str(script), str(self.port), key_id, algorithm, str(seconds)]
        self.server = start(arguments, self.folder, ready=self._answers, environment=self.environment)

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def token(self, scope: str) -> str:
        """Return an access token with this scope."""
        answer = loopback.post(
            f"{self.url}/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=("robot", "the-robot-s-secret"),
        )
        token: str = answer.json()["access_token"]
        return token

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, httpx.TransportError):
            return loopback.get(f"{self.url}/jwks").status_code == 200
        return False


@pytest.fixture
def issuer(node: Node, tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path, free_port(), dict(node.environment))
    yield made
    made.stop()


@contextlib.asynccontextmanager
async def session(url: str, token: str) -> AsyncIterator[asyncio.Task[int | None]]:
    """Open a subscription over a WebSocket; yield a task that returns the code with which the server closes it."""
    async with socket(url) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": {"token": token}}))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": STEPS}}))

        async def closed() -> int | None:
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            return connection.close_code

        yield asyncio.create_task(closed())


async def stream(client: Api, token: str, opened: asyncio.Event) -> str:
    """Return the content of an event stream, which the server ends."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with client.http.stream("POST", "/graphql", json={"query": STEPS}, headers=headers) as response:
        opened.set()
        return "".join([text async for text in response.aiter_text()])


async def status(client: Api, token: str) -> int:
    return (await client.post({"query": VIEWER}, token)).status_code


@pytest.mark.slow
@pytest.mark.asyncio
async def test_tokens_of_a_real_issuer(issuer: Issuer, tmp_path_factory: Any, processes_in: ProcessesIn) -> None:
    issuer.start("one", "RS256", 300)
    with processes_in(tmp_path_factory.mktemp("jwt")) as group:
        settings = {"jwt_issuer": issuer.url, "jwt_audience": "reveille", "jwt_jwks": f"{issuer.url}/jwks"}
        database = f"sqlite://{group.folder / 'reveille.db'}"
        process = group.start("api", database_url=database, jwt_role_claim="scope", **settings)
        async with api(process.url) as client, contextlib.AsyncExitStack() as stack:
            assert await status(client, "") == 401
            old = issuer.token("operator")
            assert (await client.ask(VIEWER, old))["viewer"] == {"name": "robot", "role": "OPERATOR"}
            admin = issuer.token("viewer admin")
            assert (await client.ask("{ apiTokens { id } }", admin))["apiTokens"] == []
            of_old = await stack.enter_async_context(session(process.url, old))
            opened = asyncio.Event()
            events = asyncio.create_task(stream(client, old, opened))
            await opened.wait()

            issuer.stop()
            assert await status(client, old) == 200, "known keys remain while the provider is away"
            unknown = unsigned({"alg": "ES256", "kid": "unknown"}, {"iss": issuer.url}, b"x" * 64)
            assert await status(client, unknown) == 503
            assert not of_old.done()

            issuer.start("two", "EdDSA", 8)
            new = issuer.token("operator")
            assert await status(client, new) == 200, "the new key is fetched"
            of_new = await stack.enter_async_context(session(process.url, new))
            assert await status(client, old) == 401, "the old key was withdrawn"
            async with asyncio.timeout(BOUND):
                assert await of_old == 4403
                assert '"code":"UNAUTHENTICATED"' in await events
                assert await of_new == 4403, "it expired"
        assert process.lives
        assert [token for token in (old, admin, new) if token in process.log] == []


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_process_starts_without_its_issuer(
    issuer: Issuer, tmp_path_factory: Any, processes_in: ProcessesIn
) -> None:
    with processes_in(tmp_path_factory.mktemp("jwt")) as group:
        settings = {"jwt_issuer": issuer.url, "jwt_audience": "reveille", "jwt_jwks": f"{issuer.url}/jwks"}
        database = f"sqlite://{group.folder / 'reveille.db'}"
        process = group.start("api", database_url=database, jwt_role_claim="scope", **settings)
        issuer.start("one", "ES256", 300)
        async with api(process.url) as client:
            token = issuer.token("viewer")
            await eventually(lambda: process.lives)
            assert await status(client, token) == 200
        assert "jwks_not_fetched" in process.log
