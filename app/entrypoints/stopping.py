"""The end of a process."""

from __future__ import annotations

import asyncio

import structlog

from app.process import Components

log = structlog.get_logger(__name__)


async def until_stopped(terminated: asyncio.Event, components: Components) -> None:
    """Return at SIGTERM or SIGINT. A component that failed ends the process with exit code 1, so that it is
    restarted."""
    waiting = [asyncio.create_task(terminated.wait()), asyncio.create_task(components.ended.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if components.ended.is_set():
        raise SystemExit(1)
    log.info("stopping")
