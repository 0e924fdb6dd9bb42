"""Withdraw requests that a stock Leshan holds: it has no call for that, but holds only one request per registration.

A harmless READ that is sent while the device sleeps displaces the held request, which Leshan then never sends (recorded
from 2.0.0-M18: of five requests delayed one after the other only the last was delivered). The device answers that READ
at its next wake instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from app.domain.enums import Instant, OperationKind
from app.domain.operations import OperationRequest
from app.domain.outcomes import OutcomeKind
from app.leshan.client import LeshanClient
from app.models.ledger import Ledger, LedgerUnavailable, Withdraw
from app.models.ready import Unwanted, unwanted

log = structlog.get_logger(__name__)

HARMLESS: Final = "/3/0/16"
"""Supported Binding and Modes: mandatory, short, and the same at every read."""

TIMEOUT_SECONDS: Final = 5
"""Timeout of the displacing request, for a device that turns out to be awake."""

AGAIN_SECONDS: Final = 10.0
"""Time before a request that could not be withdrawn is tried again."""

MOST: Final = 20


class Withdrawer:
    """Displaces held requests of operations that were canceled or superseded, or have expired."""

    def __init__(
        self, client: LeshanClient, ledger: Ledger, *, clock: Callable[[Instant], Instant] = lambda now: now
    ) -> None:
        self._client, self._ledger, self._clock = client, ledger, clock
        self._tried: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def withdraw(self) -> None:
        """Start to displace the held requests that are no longer needed. Raise ReadUnavailable if the database cannot
        be read."""
        now = time.monotonic()
        self._tried = {seq: at for seq, at in self._tried.items() if now - at < AGAIN_SECONDS}
        for held in await unwanted(self._ledger.server_id, MOST, self._clock, tried=self._tried):
            self._tried[held.seq] = now
            task = asyncio.create_task(self._displace(held), name=f"withdraw {held.seq}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _displace(self, held: Unwanted) -> None:
        request = OperationRequest(
            held.endpoint, OperationKind.READ, HARMLESS, (HARMLESS,), timeout_seconds=TIMEOUT_SECONDS
        )
        outcome = await self._client.call(request, time.monotonic() + 2 * TIMEOUT_SECONDS)
        registration = None
        if outcome.kind is OutcomeKind.DELAYED:
            registration = await self._client.registration(held.endpoint, time.monotonic() + TIMEOUT_SECONDS)
        try:
            status = await self._ledger.submit(Withdraw(held.seq, held.attempt, outcome.kind, registration))
        except LedgerUnavailable as error:
            log.warning("not_withdrawn", endpoint=held.endpoint, error=str(error))
        else:
            log.info("withdrawn", endpoint=held.endpoint, outcome=outcome.kind.name, status=status)
