"""Reveille is stopped while devices continue: our Leshan server stores their events, and delivers them after the
restart."""

from __future__ import annotations

import pytest

from tests.support.leshan.reveille_unavailable import reveille_unavailable
from tests.support.processes import Processes

pytestmark = pytest.mark.usefixtures("java")


@pytest.mark.timeout(600)
def test_events_missed_meanwhile_arrive_once_and_wake_no_sleeping_device(own_processes: Processes) -> None:
    """This is a small run of ``python -m tests.support.leshan.reveille_unavailable``, which takes minutes."""
    report = reveille_unavailable(own_processes, devices=8, seconds=4, awake=6)
    assert report.wrong == []
    assert report.late > 0
    for name in ("REGISTRATION", "UPDATED", "NOTIFICATION", "SEND"):
        assert report.done[name] > 0, f"nobody did this: {name}"
