"""Streams that end with the credential of their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from strawberry.types.execution import PreExecutionError

from app.schema.api.context import SchemaContext
from app.schema.errors import ApiError, Code
from app.security import Viewer

SESSION_ENDED: Final = "The credential was revoked or has expired; a valid one is expected."


class SessionEnded(Exception):
    """The credential of a stream was revoked or has expired."""


class _Session:
    """The state of a stream: whether its credential has ended, and the wait for its next result."""

    def __init__(self) -> None:
        self.ended = False
        self._waiting: asyncio.Timeout | None = None

    def end(self) -> None:
        self.ended = True
        if self._waiting is not None:
            self._waiting.reschedule(0.0)

    async def next_of(self, results: AsyncGenerator[Any, None]) -> Any:
        """Return the next result.

        Raises:
            SessionEnded: the credential has ended.
            StopAsyncIteration: the results have ended.
        """
        if self.ended:
            raise SessionEnded
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await anext(results)
        except TimeoutError:
            if self.ended:
                raise SessionEnded from None
            raise
        finally:
            self._waiting = None


async def until_session_end(
    results: AsyncGenerator[Any, None], services: SchemaContext, viewer: Viewer
) -> AsyncGenerator[Any, None]:
    """Yield the results of a subscription. When the viewer's credential ends, the last one is the error
    UNAUTHENTICATED; if the viewer has too many subscriptions, the only one is LIMIT_EXCEEDED."""
    session = _Session()
    try:
        async with aclosing(results):
            with services.limiter.subscription(viewer), services.authenticator.session(viewer, session.end):
                while True:
                    yield await session.next_of(results)
    except StopAsyncIteration:
        return
    except SessionEnded:
        error = ApiError(Code.UNAUTHENTICATED, SESSION_ENDED)
    except ApiError as refused:
        error = refused
    yield PreExecutionError(data=None, errors=[error])
