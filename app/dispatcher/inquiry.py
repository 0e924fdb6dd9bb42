"""Asking a Leshan server that keeps request ids what became of a call whose answer was lost."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Final

import structlog

from app.dispatcher.models_shelf import ModelShelf, told_versions
from app.dispatcher.reports import report_of
from app.domain.outcomes import Outcome, OutcomeKind
from app.leshan.client import LeshanClient
from app.leshan.past_calls import Asked
from app.models.ledger import Claimed, Ledger, LedgerUnavailable, Settle, TakeLost

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 12.0
"""How long one dispatcher asks about a lost call; its lease (``rules.ASK_SPAN``) lasts a little longer."""

MOST_AT_ONCE: Final = 32
LONGEST_WAIT: Final = 25
"""Seconds that the server is told to wait for a call that is still open; it takes at most 30."""

PAUSES: Final = (0.2, 0.5, 1.0, 2.0)


def id_of(claimed: Claimed) -> str:
    """The attempt's id: ``{operation}/{attempt}``."""
    return f"{claimed.id}/{claimed.attempt}"


async def inquire(
    client: LeshanClient, claimed: Claimed, give_up: float, patience: float = ASK_SECONDS
) -> Outcome | Asked:
    """Ask until there is an outcome or ``give_up`` (of ``time.monotonic``) has come, at least once. An Asked says why
    there is none. A server that is away is asked again for ``patience`` seconds at most."""
    tried, away_until = 0, time.monotonic() + patience
    while True:
        left = max(0.0, give_up - time.monotonic())
        found = await client.ask(claimed.request.kind, id_of(claimed), int(min(left, LONGEST_WAIT)))
        left = (min(give_up, away_until) if found is Asked.AWAY else give_up) - time.monotonic()
        if found not in (Asked.RUNNING, Asked.AWAY) or left <= 0:
            return found
        await asyncio.sleep(min(left, PAUSES[min(tried, len(PAUSES) - 1)]))
        tried += 1


class Inquirer:
    """Takes lost leases over and settles their attempts with what the Leshan server says."""

    def __init__(self, client: LeshanClient, ledger: Ledger, shelf: ModelShelf) -> None:
        self._client, self._ledger, self._shelf = client, ledger, shelf
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._asking: set[asyncio.Task[None]] = set()

    async def take_lost(self) -> None:
        """Begin to ask about every lease that ran out. Raises LedgerUnavailable."""
        for lost in await self._ledger.submit(TakeLost(str(uuid.uuid4()))):
            task = asyncio.create_task(self._ask(lost, time.monotonic() + ASK_SECONDS), name=f"ask {lost.id}")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self, lost: Claimed, give_up: float) -> None:
        """What cannot be learned now is asked again when the lease has run out, by whoever comes first."""
        async with self._at_once:
            if time.monotonic() >= give_up:
                return
            found = await inquire(self._client, lost, give_up)
        if isinstance(found, Asked) and found is not Asked.NO_IDS:
            return
        outcome = found if isinstance(found, Outcome) else _nobody_knows()
        log.info("lost_call_found", operation=lost.id, attempt=lost.attempt, outcome=outcome.kind.name)
        versions = told_versions(lost.object_links, lost.lwm2m_version)
        report = report_of(lost.request, outcome, self._shelf.of(versions))
        try:
            await self._ledger.submit(Settle(lost.seq, lost.attempt, report, lost.token))
        except LedgerUnavailable as error:
            log.warning("lost_call_not_settled", operation=lost.id, error=str(error))


def _nobody_knows() -> Outcome:
    return Outcome(
        OutcomeKind.LEASE_LOST, detail="the process that made the call did not come back, nor can Leshan tell"
    )
