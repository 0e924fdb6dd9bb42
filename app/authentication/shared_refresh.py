"""One refresh for all callers that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class SharedRefresh:
    """Runs ``refresh`` for callers that must not miss a recent change, at most once in ``pause`` seconds."""

    def __init__(self, refresh: Callable[[], Awaitable[None]], pause: float) -> None:
        self._refresh, self._pause = refresh, pause
        self._next: asyncio.Task[None] | None = None
        self._begun: float | None = None

    async def wait(self) -> None:
        """Wait for a refresh that begins after this call. Raise its exceptions."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(), name="shared-refresh")
            self._next.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._begun is not None:
            await asyncio.sleep(self._begun + self._pause - loop.time())
        self._begun = loop.time()
        self._next = None  # later callers need a later refresh
        await self._refresh()
