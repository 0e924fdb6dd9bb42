"""The round trips of a piece of a campaign: meanwhile other commands wait for the append lock."""

from __future__ import annotations

from typing import cast

import pytest

from app.fleet.campaigns import AdvanceCampaign
from app.models.ledger.store import Store
from app.models.ledger.stores import open_store
from tests.support.campaigns import FIRMWARE, Fleet, names
from tests.support.ledger import CountingStore, LedgerWorld

pytestmark = pytest.mark.asyncio


async def test_a_piece_makes_nine_round_trips_whatever_its_size(empty_world: LedgerWorld) -> None:
    store = CountingStore(open_store(empty_world.url, unsafe=True))
    ledger = await empty_world.ledger(cast("Store", store))
    fleet = Fleet(empty_world)
    await fleet.register(names(20))
    await fleet.add_package()
    id_ = await fleet.create(firmware=FIRMWARE)
    await ledger.submit(AdvanceCampaign(id_))  # lists the targets
    store.asked.clear()
    await ledger.submit(AdvanceCampaign(id_))
    assert (await fleet.campaign(id_))["running"] == 20
    assert store.asked == [
        *("begin", "fetch", "execute_together"),  # clock and heads; nothing is written before
        *("fetch", "fetch", "fetch", "fetch"),  # the campaign; targets whose work has ended; the next ones, endpoints
        "execute_together",  # operations, updates, the campaign and its targets
        *("execute_together", "commit"),  # endpoints, log, counters
    ]
