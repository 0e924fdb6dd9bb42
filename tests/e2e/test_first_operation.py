"""The README's first operation, exactly as written there, run against the server that ``make run`` starts."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.support.api import Api, Subscription, api, live
from tests.support.processes import ROOT
from tests.support.waiting import eventually

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


async def _more_subscribers(client: Api, before: int) -> bool:
    return await client.subscribers() > before


async def _first_three(subscription: Subscription) -> list[dict[str, Any]]:
    return [await subscription.next() for _ in range(3)]
