"""Query a Leshan server that records request ids for the outcome of a call whose response was lost."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Final

import structlog

from app.backoff import Backoff
from app.domain.outcomes import Outcome, OutcomeKind
from app.ingest.reports import report_of
from app.leshan.client import LeshanClient
from app.leshan.content_formats import may_be_called_again
from app.leshan.past_calls import CallStatus
from app.models.ledger import Claimed, Ledger, LedgerUnavailable, Settle, TakeLost
from app.models.object_models import ObjectModelCache, stored_versions

log = structlog.get_logger(__name__)

QUERY_SECONDS: Final = 12.0
"""Time for which one dispatcher queries the server about a lost call; its lease (``rules.QUERY_SPAN``) lasts a little
longer."""

MOST_AT_ONCE: Final = 32
LONGEST_WAIT: Final = 25
"""Maximum number of seconds for which the server is requested to wait for a call that is still open; it accepts at most
30."""

PAUSES: Final = (0.2, 0.5, 1.0, 2.0)

AGAIN: Final = ".2"
"""Suffix of an attempt's id in the id of its second call."""


def id_of(claimed: Claimed, *, again: bool = False) -> str:
    """Return the id of an attempt's call: ``{operation}/{attempt}``.

    ``again``: return the id of its second call, in another content format. The event of that call is ignored
    (``app.leshan.events``): if its response is lost, its lease expires and the server is queried.
    """
    return f"{claimed.id}/{claimed.attempt}" + (AGAIN if again else "")


async def inquire(
    client: LeshanClient, claimed: Claimed, give_up: float, patience: float = QUERY_SECONDS, *, again: bool = False
) -> Outcome | CallStatus:
    """Query the server about one call, at least once, until there is an outcome or ``give_up`` (of ``time.monotonic``)
    has passed. A returned CallStatus says why there is no outcome. Retry for at most ``patience`` seconds while the
    server cannot be reached."""
    backoff, away_until = Backoff(*PAUSES), time.monotonic() + patience
    while True:
        left = max(0.0, give_up - time.monotonic())
        id_ = id_of(claimed, again=again)
        found = await client.call_status(claimed.request.kind, id_, int(min(left, LONGEST_WAIT)))
        left = (min(give_up, away_until) if found is CallStatus.AWAY else give_up) - time.monotonic()
        if found not in (CallStatus.RUNNING, CallStatus.AWAY) or left <= 0:
            return found
        await asyncio.sleep(min(left, backoff.next()))


async def inquire_all(client: LeshanClient, claimed: Claimed, give_up: float) -> Outcome | CallStatus:
    """Query the server about an attempt whose process is gone, and about its second call if the device refused the
    content format of the first one. The query closes a second call that the server has not received, so that none
    follows."""
    found = await inquire(client, claimed, give_up)
    request = claimed.request
    if isinstance(found, Outcome) and may_be_called_again(request.kind, request.format, found):
        found = await inquire(client, claimed, give_up, again=True)
        return replace(found, answered_before=True) if isinstance(found, Outcome) else found
    return found


UNKNOWN: Final = Outcome(
    OutcomeKind.LEASE_LOST, detail="the process of the call has ended, and Leshan has no record of the outcome"
)
"""The outcome of a call that neither Reveille nor the Leshan server can determine."""


class Inquirer:
    """Claims expired leases and settles their attempts with the server's response."""

    def __init__(self, client: LeshanClient, ledger: Ledger, models: ObjectModelCache) -> None:
        self._client, self._ledger, self._models = client, ledger, models
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._queries: set[asyncio.Task[None]] = set()

    async def take_lost(self) -> None:
        """Start to query the server about every expired lease. Raise LedgerUnavailable if the ledger cannot be
        reached."""
        for lost in await self._ledger.submit(TakeLost(str(uuid.uuid4()))):
            task = asyncio.create_task(self._query(lost, time.monotonic() + QUERY_SECONDS), name=f"query {lost.id}")
            self._queries.add(task)
            task.add_done_callback(self._queries.discard)

    async def _query(self, lost: Claimed, give_up: float) -> None:
        """Settle one lost call. If its outcome cannot be determined now, the first dispatcher that claims it after the
        lease has expired queries the server again."""
        async with self._at_once:
            if time.monotonic() >= give_up:
                return
            found = await inquire_all(self._client, lost, give_up)
        if isinstance(found, CallStatus) and found is not CallStatus.NO_IDS:
            return
        outcome = found if isinstance(found, Outcome) else UNKNOWN
        log.info("lost_call_found", operation=lost.id, attempt=lost.attempt, outcome=outcome.kind.name)
        versions = stored_versions(lost.object_links, lost.lwm2m_version)
        report = report_of(lost.request.path, outcome, self._models.of(versions))
        try:
            await self._ledger.submit(Settle(lost.seq, lost.attempt, report, lost.token))
        except LedgerUnavailable as error:
            log.warning("lost_call_not_settled", operation=lost.id, error=str(error))
