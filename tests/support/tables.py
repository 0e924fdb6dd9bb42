"""Reading the declared tables through Tortoise, as tests do; Reveille itself reads by SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tortoise.context import TortoiseContext

from app.models.migration import tortoise_config


@asynccontextmanager
async def tables_of(database_url: str) -> AsyncIterator[None]:
    """Bind :mod:`app.models.tables` to this database for as long as the block lasts."""
    async with TortoiseContext() as context:
        # a test's tasks find the context only by the global fallback
        await context.init(config=tortoise_config(database_url), _enable_global_fallback=True)
        yield
