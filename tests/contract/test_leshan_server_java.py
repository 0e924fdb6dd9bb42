"""The Java tests of `leshan-server` hold."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import missing
from tests.leshan.launch import RUN, missing_tools

pytestmark = pytest.mark.leshan


@pytest.mark.timeout(600)
def test_java() -> None:
    if missing_tools():
        missing(" and ".join(missing_tools()))
    done = subprocess.run([RUN, "test"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
