"""The real LwM2M servers and devices of a test session: started when first asked for, stopped when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.leshan import launch
from tests.leshan.devices import Devices
from tests.leshan.launch import LeshanServer


def require_java() -> None:
    """Skip where Java or Maven is missing; fail in CI."""
    # late: the fixtures here are loaded by that very module
    from tests.conftest import missing  # noqa: PLC0415

    if tools := launch.missing_tools():
        missing(" and ".join(tools))


@pytest.fixture(scope="session")
def our_leshan() -> Iterator[LeshanServer]:
    """Our Leshan server as the stock one behaves; its clients in queue mode are awake for 93 s as those of that one."""
    require_java()
    with launch.leshan_server(mode="stock") as server:
        yield server


@pytest.fixture(scope="session")
def production_leshan() -> Iterator[LeshanServer]:
    """Our Leshan server as it is made for production."""
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
    """Real LwM2M clients of any server: each is told at its creation of which."""
    require_java()
    with launch.leshan_devices() as devices:
        yield devices
