"""Fixtures of the tests in this folder."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from tests.support.simulated_world import SimulatedWorld

Begin = Callable[..., AbstractAsyncContextManager[SimulatedWorld]]


@pytest.fixture
def begin(database_url: str) -> Begin:
    """Return a function that begins a world with the test's settings: ``async with begin("a", "b", awake_window=5) as
    world``."""
    return functools.partial(SimulatedWorld.begin, database_url)


@pytest_asyncio.fixture(loop_scope="session")
async def world(begin: Begin) -> AsyncIterator[SimulatedWorld]:
    """A world with one device, ``dev``, in queue mode, which is not registered yet."""
    async with begin() as world:
        yield world
