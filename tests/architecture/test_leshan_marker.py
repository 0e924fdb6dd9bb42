"""Every test that starts a Leshan server or LwM2M devices has the marker ``leshan``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.support.leshan import launch


@pytest.mark.parametrize("start", [launch.leshan_server, launch.leshan_m4, launch.leshan_devices, launch.leshan_both])
def test_no_java_program_starts_without_the_marker(start: Callable[[], AbstractContextManager[Any]]) -> None:
    with pytest.raises(AssertionError, match="needs the fixture `java`"), start():
        pass


@pytest.mark.parametrize("fixture", ["our_leshan", "production_leshan", "leshan_m4_server", "leshan_devices"])
def test_each_fixture_with_a_java_program_gives_the_marker(request: pytest.FixtureRequest, fixture: str) -> None:
    (definition,) = request._fixturemanager.getfixturedefs(fixture, request.node) or ()
    assert "java" in definition.argnames
