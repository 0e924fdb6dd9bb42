"""Access in running processes: the first token closes open access, and commands of another process create and revoke
tokens, whose sockets and streams end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support import loopback
from tests.support.api import Api, api, socket
from tests.support.processes import Process, Processes
from tests.support.waiting import BOUND, eventually

pytestmark = pytest.mark.asyncio

VIEWER: Final = "{ viewer { name role } }"
CREATE: Final = """
mutation ($role: Role!) { createApiToken(name: "first", role: $role) { secret token { id } } }"""
STEPS: Final = "subscription { operationTransitions { number } }"
AWAKE: Final = {"event": "AWAKE", "data": {"ep": "posted"}}


def start(processes: Processes, **settings: Any) -> tuple[Process, str]:
    """Start an API process; return it and its database."""
    database = f"sqlite://{processes.folder / 'reveille.db'}"
    return processes.start("api", database_url=database, **settings), database


async def opened(connection: ClientConnection, token: str | None) -> None:
    """Begin a connection and subscribe."""
    await connection.send(json.dumps({"type": "connection_init", "payload": {"token": token} if token else {}}))
    assert json.loads(await connection.recv())["type"] == "connection_ack"
    await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": STEPS}}))


async def closed(connection: ClientConnection) -> int | None:
    """Return the code with which the server closes the connection."""
    async with asyncio.timeout(BOUND):
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    return connection.close_code


async def stream(client: Api, token: str, received: list[str]) -> None:
    """Collect an event stream to its end."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    async with client.http.stream("POST", "/graphql", json={"query": STEPS}, headers=headers) as response:
        received.append("")
        received.extend([text async for text in response.aiter_text()])


async def test_the_first_token_closes_open_access(own_processes: Processes) -> None:
    process, _ = start(own_processes)
    events = f"{process.url}/leshan/events"
    async with api(process.url) as client, socket(process.url) as connection:
        assert (await client.ask(VIEWER))["viewer"] is None
        await opened(connection, None)
        assert loopback.post(events, json=AWAKE).status_code == 202
        error = await client.error(CREATE, role="VIEWER")
        assert error == {"code": "BAD_USER_INPUT", "field": "role"}, "no administrator could create others"
        secret = (await client.ask(CREATE, role="ADMIN"))["createApiToken"]["secret"]
        assert await closed(connection) == 4403
        assert (await client.post({"query": VIEWER})).status_code == 401
        assert loopback.post(events, json=AWAKE).status_code == 401
        proxied = await client.post({"query": VIEWER}, secret, x_forwarded_for="198.51.100.7")
        assert proxied.json()["data"]["viewer"] == {"name": "first", "role": "ADMIN"}
    assert "access_closed" in process.log
    assert secret not in process.log


async def test_tokens_of_the_command_line(own_processes: Processes, tmp_path: Path) -> None:
    process, database = start(own_processes, auth="boot:admin:a-token-to-bootstrap")

    def run(*arguments: str) -> str:
        done = own_processes.run(*arguments, database_url=database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    made = json.loads(run("token", "create", "dashboard", "--role", "viewer", "--json"))
    short = run("token", "create", "short", "--role", "viewer", "--expires", "5s")
    secret, received = made["secret"], list[str]()
    async with api(process.url) as client, socket(process.url) as revoked, socket(process.url) as expiring:
        assert (await client.ask(VIEWER, secret))["viewer"] == {"name": "dashboard", "role": "VIEWER"}
        await opened(revoked, secret)
        await opened(expiring, short)
        reading = asyncio.create_task(stream(client, secret, received))
        await eventually(lambda: bool(received))
        assert await closed(expiring) == 4403
        assert (await client.post({"query": VIEWER}, short)).status_code == 401
        assert not reading.done(), "other sessions go on"
        run("token", "revoke", "dashboard")
        assert await closed(revoked) == 4403
        async with asyncio.timeout(BOUND):
            await reading
        assert '"code":"UNAUTHENTICATED"' in "".join(received)
        assert (await client.post({"query": VIEWER}, secret)).status_code == 401
    listed = {one["name"]: one for one in json.loads(run("token", "list", "--json"))}
    assert listed["dashboard"]["lastUsedAt"]
    assert listed["dashboard"]["revokedAt"]
    assert [event["action"] for event in json.loads(run("audit", "--json"))] == [
        "revokeApiToken",
        *["createApiToken"] * 2,
    ]
    assert secret not in run("audit") + process.log
