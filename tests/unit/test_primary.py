"""The choice of the primary among several hosts, by what each of them reports."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.addresses import Host, postgres_address
from app.models.primary import NoPrimary, Primary
from tests.support.waiting import eventually

HOSTS = ("a", "b", "c")
FROZEN = "frozen"


@dataclass
class Session:
    """A connection to a host that reports a state."""

    server: tuple[str, int]
    state: Mapping[str, Any]
    ended: bool = False

    async def fetchrow(self, _sql: str) -> Mapping[str, Any]:
        return self.state

    def terminate(self) -> None:
        self.ended = True


@dataclass
class Network:
    """The three hosts of an address: the state of each, FROZEN, or None for one that refuses connections."""

    a: Any = None
    b: Any = None
    c: Any = None
    sessions: list[Session] = field(default_factory=list)

    async def open(self, host: Host) -> Any:
        state = getattr(self, host.name)
        if state is None:
            raise ConnectionRefusedError("connection refused")
        if state is FROZEN:
            await asyncio.Event().wait()
        self.sessions.append(Session((host.name, host.port), state))
        return self.sessions[-1]


def state(timeline: int, *, standby: bool = False, read_only: bool = False, system: int = 7) -> Mapping[str, Any]:
    return {"timeline": timeline, "standby": standby, "read_only": read_only, "system": system}


def primary(target: str = "read-write") -> Primary:
    return Primary(postgres_address(f"postgres://x@{','.join(HOSTS)}/x?target_session_attrs={target}"))


async def choose(among: Primary, network: Network) -> str:
    """Return the name of the chosen host, to which only one session remains."""
    chosen = await among.connect(network.open)
    assert [session.server for session in network.sessions if not session.ended] == [chosen.server]
    return str(chosen.server[0])


@pytest.mark.parametrize(
    ("network", "chosen"),
    [
        (Network(a=state(1), b=state(1, standby=True)), "a"),
        (Network(a=state(1, standby=True), b=state(1, standby=True), c=state(1)), "c"),
        (Network(a=FROZEN, b=state(2)), "b"),
        (Network(a=state(1), b=state(2), c=state(2, standby=True)), "b"),
        (Network(a=state(1, read_only=True), b=state(1, system=8)), "b"),
    ],
)
@pytest.mark.asyncio
async def test_the_primary_of_the_greatest_timeline_is_chosen(network: Network, chosen: str) -> None:
    assert await choose(primary(), network) == chosen


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Network(), "a:5432: connection refused; b:5432: connection refused; c:5432: connection refused"),
        (Network(b=state(1, standby=True)), "b:5432: it is a standby"),
        (Network(a=state(1, read_only=True)), "a:5432: it is read-only"),
        (Network(a=state(1), c=state(2, standby=True)), "a:5432: it is an old primary, of timeline 1; 2 is the newest"),
    ],
)
@pytest.mark.asyncio
async def test_without_a_primary_the_error_names_the_problem_of_each_host(network: Network, reason: str) -> None:
    with pytest.raises(NoPrimary) as caught:
        await primary().connect(network.open)
    assert reason in str(caught.value)
    assert all(session.ended for session in network.sessions)


@pytest.mark.asyncio
async def test_a_primary_may_be_read_only_if_the_address_says_so() -> None:
    assert await choose(primary("primary"), Network(a=state(1, read_only=True))) == "a"


@pytest.mark.asyncio
async def test_an_old_primary_is_refused_also_while_the_new_one_is_unreachable() -> None:
    among = primary()
    assert await choose(among, Network(a=state(1), b=state(1, standby=True))) == "a"
    old = Session(("a", 5432), {})
    assert not among.has_moved(old)  # type: ignore[arg-type]
    assert await choose(among, Network(b=state(2))) == "b"
    assert among.has_moved(old)  # type: ignore[arg-type]
    assert among.name == "b:5432"
    with pytest.raises(NoPrimary, match="old primary, of timeline 1"):
        await among.connect(Network(a=state(1)).open)
    assert await choose(among, Network(a=state(3), b=state(3, standby=True))) == "a"


@pytest.mark.asyncio
async def test_a_host_in_use_is_preferred_to_another_of_the_same_timeline() -> None:
    among = primary()
    assert await choose(among, Network(b=state(1))) == "b"
    assert await choose(among, Network(a=state(1), b=state(1))) == "b"


@pytest.mark.asyncio
async def test_a_canceled_search_leaves_no_session() -> None:
    network = Network(a=state(1, standby=True), b=FROZEN)
    search = asyncio.create_task(primary().connect(network.open))
    await eventually(lambda: bool(network.sessions), "a host has replied")
    search.cancel()
    await asyncio.gather(search, return_exceptions=True)
    await asyncio.sleep(0)
    assert all(session.ended for session in network.sessions)
