"""What the Leshan server says of itself: looked at now and then, known to this process and, by the ledger, to all."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app.leshan.client import LeshanClient
from app.leshan.registrations import LeshanUnavailable
from app.leshan.server_info import ServerInfo
from app.models.ledger import KeepServer, Ledger, LedgerUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 15.0
FIRST_LOOK_SECONDS: Final = 1.0
"""As long as the server has not said anything yet."""

SUPPORTED: Final = "2.0.0-M15 to M18; through 2.0.0-M4 only STRING and BOOLEAN can be written (docs/leshan.md)"


class ServerWatch:
    """Looks at ``GET /server/info`` at the start, when it is asked to, and now and then: a server may be replaced."""

    def __init__(self, client: LeshanClient, ledger: Ledger) -> None:
        self._client, self._ledger = client, ledger
        self._kept: ServerInfo | None = None
        self._wanted = asyncio.Event()

    def nudge(self) -> None:
        """It may have been restarted: look again soon. Never blocks."""
        self._wanted.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            self._wanted.clear()
            pause = FIRST_LOOK_SECONDS if self._kept is None else LOOK_SECONDS
            try:
                await asyncio.wait_for(self._wanted.wait(), pause)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Look now. What was known stays where nobody answers."""
        try:
            info = await self._client.look()
            if info != self._kept:
                await self._ledger.submit(_kept(info))
                log.info("leshan_says", **{name: getattr(info, name) for name in ServerInfo.__slots__})
                if not info.json_errors:
                    log.info("leshan_stock", supported=SUPPORTED)
                self._kept = info
        except (LeshanUnavailable, LedgerUnavailable) as error:
            log.debug("leshan_says_nothing", reason=str(error))
        except Exception:
            log.exception("server_info_not_kept")


def _kept(info: ServerInfo) -> KeepServer:
    return KeepServer(info.boot_id, info.request_ids, info.notifications_wake, info.open_calls)
