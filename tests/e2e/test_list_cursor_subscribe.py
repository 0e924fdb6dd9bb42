"""List, cursor, subscribe: the state that a frontend merges from them equals the database, however much changes
meanwhile.

A client reads a list with the log's cursor in one document, subscribes after that cursor, and keeps the higher version
of two copies. It may lose its connection and continue at another API process after the last step that it received.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.api import Api, Live, Subscription, live, write
from tests.support.cluster import Cluster, key
from tests.support.waiting import BOUND

pytestmark = pytest.mark.asyncio

CLIENTS: Final = 1_000
AT_ONCE: Final = 40
"""The number of clients that read their lists at the same time; all of them stay subscribed to the end."""

SOCKETS: Final = 7
"""The number of sockets to each of the two APIs; a socket has at most 100 subscriptions, and three in ten clients
subscribe a second time."""

DEVICES: Final = 40
PAGE: Final = 3
"""The page size is small, so that most lists need several pages, with new operations arriving between them."""

LIST: Final = """
query ($endpoint: String!, $first: Int!, $after: String) {
  transitionCursor
  deviceOperations(filter: {endpoint: $endpoint}, first: $first, after: $after) {
    edges { node { id status version } } pageInfo { hasNextPage endCursor }
  }
}"""
SUBSCRIBE: Final = """
subscription ($endpoint: String!, $after: String) {
  operationTransitions(endpoint: $endpoint, after: $after) { cursor number toStatus operation { id } }
}"""

State = dict[str, tuple[int, str]]
"""The version and status of each operation."""


@dataclass(slots=True)
class Client:
    """A frontend that follows one device."""

    endpoint: str
    cursor: str = ""
    state: State = field(default_factory=dict)

    async def list(self, api: Api) -> None:
        """Read all pages; the first page's cursor is the one to subscribe after."""
        page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            after = page["endCursor"]
            answer = await api.ask(LIST, endpoint=self.endpoint, first=PAGE, after=after)
            self.cursor = self.cursor or answer["transitionCursor"]
            for edge in answer["deviceOperations"]["edges"]:
                node = edge["node"]
                self.take(key(node["id"]), node["version"], node["status"])
            page = answer["deviceOperations"]["pageInfo"]

    def take(self, id_: str, version: int, status: str) -> None:
        """Keep the higher version of two copies."""
        if version > self.state.get(id_, (0, ""))[0]:
            self.state[id_] = version, status

    def step(self, step: dict[str, Any]) -> None:
        """Apply one step of the subscription: it is new, or was in the list already, but no step before it is
        missing."""
        id_, number = key(step["operation"]["id"]), step["number"]
        assert number <= self.state.get(id_, (0, ""))[0] + 1, f"a step before {step} was skipped"
        self.take(id_, number, step["toStatus"])
        self.cursor = step["cursor"]

    async def follow(self, subscription: Subscription, until: State) -> None:
        """Apply steps until the state is this one."""
        while self.state != until:
            self.step(await subscription.next())


@pytest_asyncio.fixture(loop_scope="session")
async def sockets(whole: Cluster) -> AsyncIterator[list[Live]]:
    """Connections to both APIs, in turn."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(live(whole.apis[number % 2].url)) for number in range(2 * SOCKETS)]


async def test_the_merged_state_equals_the_database(whole: Cluster, sockets: list[Live]) -> None:
    dice = random.Random(1)
    names = await whole.devices("listed", DEVICES)
    done = asyncio.Event()
    load = asyncio.create_task(_load(whole, names, done))
    reading = asyncio.Semaphore(AT_ONCE)

    async def begin(number: int) -> tuple[Client, Subscription]:
        client = Client(names[number % DEVICES])
        async with reading:
            await client.list(whole.apis[dice.randrange(2)])
            first = sockets[number % len(sockets)]
            subscription = await first.subscribe(SUBSCRIBE, endpoint=client.endpoint, after=client.cursor)
            if dice.random() < 0.3:  # the connection is lost after a step, if there is one in time
                await _one_step(client, subscription)
                await subscription.end()
                other = sockets[(number + 1) % len(sockets)]  # a socket to the other API
                subscription = await other.subscribe(SUBSCRIBE, endpoint=client.endpoint, after=client.cursor)
        return client, subscription

    try:
        following = await asyncio.gather(*(begin(number) for number in range(CLIENTS)))
    finally:
        done.set()
        ids = await load
    await whole.confirmed(ids)
    truth = await _truth(whole)
    async with asyncio.timeout(BOUND):
        for client, subscription in following:
            await client.follow(subscription, truth[client.endpoint])
    assert len(following) == CLIENTS
    assert len(ids) > 2 * DEVICES


async def _one_step(client: Client, subscription: Subscription) -> None:
    try:
        client.step(await subscription.next(within=0.2))
    except TimeoutError:
        return


async def _load(whole: Cluster, names: list[str], done: asyncio.Event) -> list[str]:
    """Create operations through both APIs, one batch after another, until ``done`` is set; return their ids."""
    ids: list[str] = []
    number = 0
    while not done.is_set():
        number += 1
        some = [write(names[(number * 7 + one) % DEVICES], text=str(number)) for one in range(DEVICES // 4)]
        ids += await whole.apis[number % 2].create(*some)
        await asyncio.sleep(0.03)  # a load, not a race: the clients need the processors too
    return ids


async def _truth(whole: Cluster) -> dict[str, State]:
    """Return the state of each device's operations, from the database."""
    sql = "SELECT e.name, o.id, o.version, o.status FROM operation o JOIN endpoint e ON e.id = o.endpoint_id"
    truth: dict[str, State] = {}
    for row in await whole.rows(sql):
        truth.setdefault(row["name"], {})[str(row["id"])] = row["version"], row["status"]
    return truth
