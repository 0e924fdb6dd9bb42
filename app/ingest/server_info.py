"""The Leshan server's information about itself, known to this process and, through the ledger, to all.

A stock server has no ``/server/info``, answers 400 or 404, and logs an error for each request. The request is repeated
only when the server may have been replaced: at a new connection of the bridge, when a probe succeeds after the breaker
was open, and when the database has another ``bootId`` than before (another process has requested it, or an event had
the first one). A server that supports the request is queried every ``timing.server_info``.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.leshan.client import LeshanClient
from app.leshan.registrations import LeshanUnavailable
from app.leshan.server_info import STOCK, ServerInfo
from app.models.ledger import Ledger, LedgerUnavailable, UpdateServerInfo
from app.models.queries import ReadUnavailable
from app.models.ready import known_boot_id
from app.timing import DEFAULT, Timing

log = structlog.get_logger(__name__)

SUPPORTED: Final = "2.0.0-M15 to M18; through 2.0.0-M4 only STRING and BOOLEAN can be written (docs/leshan.md)"


class ServerInfoWatch:
    """Requests ``GET /server/info`` at the start and whenever the response may have changed."""

    def __init__(self, client: LeshanClient, ledger: Ledger, timing: Timing = DEFAULT) -> None:
        self._timing = timing
        self._client, self._ledger = client, ledger
        self._kept: ServerInfo | None = None
        self._boot_id: str | None = None
        self._wanted = asyncio.Event()

    def nudge(self) -> None:
        """Request it again soon, as the server may have been restarted. Never blocks."""
        self._wanted.set()

    async def run(self) -> None:
        """Request it forever."""
        await self.look()
        while True:
            interval = self._timing.first_server_info if self._kept is None else self._timing.server_info
            try:
                await asyncio.wait_for(self._wanted.wait(), interval)
            except TimeoutError:
                await self.refresh()
            else:
                self._wanted.clear()
                await self.look()

    async def refresh(self) -> None:
        """Request it, unless the server is known to be a stock one and nothing indicates that it was replaced."""
        if self._kept != STOCK or await self._has_another_boot_id():
            await self.look()

    async def look(self) -> None:
        """Request it now. The known information stays if the server does not answer."""
        try:
            info = await self._client.look()
            if info != self._kept:
                await self._ledger.submit(_kept(info))
                log.info("leshan_server_info", **{name: getattr(info, name) for name in ServerInfo.__slots__})
                if not info.json_errors:
                    log.info("leshan_stock", supported=SUPPORTED)
                self._kept, self._boot_id = info, info.boot_id
        except (LeshanUnavailable, LedgerUnavailable) as error:
            log.debug("server_info_unavailable", reason=str(error))
        except Exception:
            log.exception("server_info_not_stored")

    async def _has_another_boot_id(self) -> bool:
        """Return whether the database has a boot id that it did not have at the last call; each id counts as new
        once."""
        try:
            boot_id = await known_boot_id(self._ledger.server_id)
        except ReadUnavailable:
            return False
        before, self._boot_id = self._boot_id, boot_id
        return boot_id is not None and boot_id != before


def _kept(info: ServerInfo) -> UpdateServerInfo:
    return UpdateServerInfo(info.boot_id, info.request_ids, info.notifications_wake, info.open_calls)
