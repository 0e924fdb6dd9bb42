"""The real LwM2M servers and devices of a test session: started on first use, stopped when the session ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.leshan import launch
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer


def require_java() -> None:
    """Skip if Java or Maven is missing; fail in CI."""
    # imported late: that module imports the fixtures of this one
    from tests.conftest import missing  # noqa: PLC0415

    if tools := launch.missing_tools():
        missing(" and ".join(tools))


@pytest.fixture(scope="session")
def our_leshan() -> Iterator[LeshanServer]:
    """Our Leshan server in stock mode; its queue-mode clients are awake for 93 s, as those of the stock server."""
    require_java()
    with launch.leshan_server(mode="stock") as server:
        yield server


@pytest.fixture(scope="session")
def production_leshan() -> Iterator[LeshanServer]:
    """Our Leshan server in production mode."""
    require_java()
    with launch.leshan_server(mode="production") as server:
        yield server


@pytest.fixture(scope="session")
def leshan_m4_server() -> Iterator[LeshanServer]:
    """The stock Leshan demo server 2.0.0-M4."""
    require_java()
    with launch.leshan_m4() as server:
        yield server


@pytest.fixture(scope="session")
def leshan_devices() -> Iterator[Devices]:
    """Real LwM2M clients of any server: each gets its server at its creation."""
    require_java()
    with launch.leshan_devices() as devices:
        yield devices
