"""The README's first operation, exactly as written there, run against the server that ``make run`` starts."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any, Final

import pytest

from tests.support.api import Api, Subscription, api, live
from tests.support.processes import ROOT
from tests.support.waiting import BOUND, eventually

README: Final = (ROOT / "README.md").read_text()
MUTATION, SUBSCRIPTION, QUERY = re.findall(r"```graphql\n(.*?)```", README, re.DOTALL)


@pytest.mark.asyncio
async def test_the_first_operation_of_the_readme_is_confirmed(reveille_url: str) -> None:
    async with api(reveille_url) as client, live(reveille_url) as connection:
        before = await client.subscribers()
        subscription = await connection.subscribe(SUBSCRIPTION)
        await eventually(lambda: _more_subscribers(client, before), "the subscription is served")
        created = (await client.ask(MUTATION))["createDeviceOperation"]["operation"]
        assert created["status"] == "QUEUED"
        steps = await _first_three(subscription)
        assert [(step["number"], step["fromStatus"], step["toStatus"]) for step in steps] == [
            (1, None, "QUEUED"),
            (2, "QUEUED", "SENDING"),
            (3, "SENDING", "CONFIRMED"),
        ]
        endpoint = (await client.ask(QUERY))["endpoint"]
    assert endpoint["presence"] in {"ONLINE", "ASLEEP"}
    (operation,) = [edge["node"] for edge in endpoint["operations"]["edges"]]
    assert (operation["status"], operation["waitingFor"]) == ("CONFIRMED", "NOTHING")


def test_the_python_client_waits_for_its_operation(reveille_url: str) -> None:
    done = _create_and_wait("dev-0002", reveille_url)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    assert steps == ["QUEUED", "SENDING", "CONFIRMED"]


def test_the_python_client_reports_errors(reveille_url: str) -> None:
    done = _create_and_wait("nobody-of-this-name", reveille_url)
    assert done.returncode == 1
    assert done.stderr.startswith("NOT_FOUND: ")


def _create_and_wait(endpoint: str, url: str) -> subprocess.CompletedProcess[str]:
    program = str(ROOT / "frontend-examples" / "python-client" / "create_and_wait.py")
    arguments = [sys.executable, program, endpoint, "--url", f"{url}/graphql"]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=BOUND, check=False)


async def _more_subscribers(client: Api, before: int) -> bool:
    return await client.subscribers() > before


async def _first_three(subscription: Subscription) -> list[dict[str, Any]]:
    return [await subscription.next() for _ in range(3)]
