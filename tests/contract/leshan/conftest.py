"""The servers under contract. Each starts once per session, on free ports, and is stopped at the end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from simulator import Simulator, SimulatorConfig
from tests.contract.leshan.contract import Contract, contracted, real, simulated
from tests.contract.leshan.differences import SERVERS, Difference

FIXTURES: Final = {"ours": "our_leshan", "production": "production_leshan", "m4": "leshan_m4_server"}

OTHER: Final = os.environ.get("REVEILLE_TEST_LESHAN")
"""The address of any other Leshan server, without ``/api``. Devices register at REVEILLE_TEST_LESHAN_COAP, by default
``coap://HOST:5683`` of the same host; REVEILLE_TEST_LESHAN_LIKE names the server of ``SERVERS`` that it resembles."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "without(difference): does not hold on a Leshan server with this difference")
    config.addinivalue_line("markers", "only_with(difference): tells what a server with this difference does instead")


@pytest.hookimpl(trylast=True)  # after the tests were ordered by their servers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the test that checks all others of its module to the end."""
    items.sort(key=lambda item: item.name == "test_every_outcome_of_a_call_was_asserted_here")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a contract test on every server to which it applies."""
    if "contract" not in metafunc.fixturenames:
        return
    without = {mark.args[0] for mark in metafunc.definition.iter_markers("without")}
    needed = {mark.args[0] for mark in metafunc.definition.iter_markers("only_with")}
    servers = dict(SERVERS) | ({"other": _differences("other")} if OTHER else {})
    names = [name for name, own in servers.items() if not own & without and own >= needed]
    params = [pytest.param(name, marks=[] if name == "simulator" else [pytest.mark.leshan]) for name in names]
    metafunc.parametrize("server_under_contract", params, indirect=True, scope="session")


def _differences(name: str) -> frozenset[Difference]:
    return SERVERS[os.environ.get("REVEILLE_TEST_LESHAN_LIKE", "ours") if name == "other" else name]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server_under_contract(request: pytest.FixtureRequest) -> AsyncIterator[Contract]:
    """Provide one of the servers."""
    name: str = request.param
    if name == "simulator":
        simulator = Simulator(SimulatorConfig(devices=0, autonomous=False))
        async with (
            simulator.serve(),
            contracted(name, _differences(name), f"{simulator.url}/api", simulated(simulator)) as contract,
        ):
            yield contract
        return
    devices = request.getfixturevalue("leshan_devices")
    if name == "other":
        url = OTHER or ""
        coap_uri = os.environ.get("REVEILLE_TEST_LESHAN_COAP", f"coap://{urlsplit(url).hostname}:5683")
        async with contracted(name, _differences(name), f"{url.rstrip('/')}/api", real(devices, coap_uri)) as contract:
            yield contract
    else:
        server = request.getfixturevalue(FIXTURES[name])
        async with contracted(name, _differences(name), server.url, real(devices, server.coap_uri)) as contract:
            yield contract


@pytest_asyncio.fixture(loop_scope="session")
async def contract(server_under_contract: Contract) -> AsyncIterator[Contract]:
    """Provide the server under contract; remove the test's devices at the end."""
    yield server_under_contract
    await server_under_contract.clear()
