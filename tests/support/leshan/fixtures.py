"""The real LwM2M servers and devices of a test session: started on first use, stopped when the session ends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.leshan import launch
from tests.support.leshan.devices import Devices
from tests.support.leshan.launch import LeshanServer


@pytest.fixture(scope="session")
def java() -> None:
    """Java and Maven, for a test that starts Leshan servers or devices of its own. Such a test is marked ``leshan``.

    The programs live for seconds: Java's optimizing compiler would cost more time than it saves.
    """
    # imported late: that module imports the fixtures of this one
    from tests.conftest import missing  # noqa: PLC0415

    if tools := launch.missing_tools():
        missing(" and ".join(tools))
    os.environ.setdefault("JAVA_OPTS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def our_leshan(java: None) -> Iterator[LeshanServer]:
    """Our Leshan server in stock mode; its queue-mode clients are awake for 93 s, as those of the stock server."""
    with launch.leshan_server(mode="stock") as server:
        yield server


@pytest.fixture(scope="session")
def production_leshan(java: None) -> Iterator[LeshanServer]:
    """Our Leshan server in production mode."""
    with launch.leshan_server(mode="production") as server:
        yield server


@pytest.fixture(scope="session")
def leshan_m4_server(java: None) -> Iterator[LeshanServer]:
    """The stock Leshan demo server 2.0.0-M4."""
    with launch.leshan_m4() as server:
        yield server


@pytest.fixture(scope="session")
def leshan_devices(java: None) -> Iterator[Devices]:
    """Real LwM2M clients of any server: each gets its server at its creation. They accept a firmware package of
    1 MiB."""
    with launch.leshan_devices(max_body=1_114_112) as devices:
        yield devices
