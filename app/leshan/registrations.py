"""All registrations of a Leshan server, ``GET /clients``: read in pieces, and by pages where the server has them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import httpx
import ijson  # type: ignore[import-untyped]
import structlog

from app.domain.events import Registration
from app.domain.values import JsonValue
from app.leshan.events import UnreadableEvent, registration_of
from app.leshan.requests import LeshanRequest, clients_request

PAGE: Final = 1_000

_log = structlog.get_logger(__name__)


class LeshanUnavailable(Exception):
    """A question about the server itself was not answered as Leshan answers it. The message says why."""


@dataclass(frozen=True, slots=True)
class KnownRegistration:
    """One client of ``GET /clients``."""

    endpoint: str
    registration: Registration


class Registrations(Protocol):
    """What :meth:`LeshanClient.registrations` gives: see :class:`RegistrationList`."""

    sent_at: float
    server_millis: int | None
    skipped: int

    def __aiter__(self) -> AsyncIterator[KnownRegistration]: ...


class RegistrationList:
    """The answer of ``GET /clients``, read in pieces while it is iterated; a broken entry is skipped and counted.

    Attributes:
        sent_at: when the question was sent, of ``time.monotonic``.
        server_millis: the server's own clock when it answered (header ``Date``), None where it tells none.
        skipped: entries so far that could not be read.
    """

    def __init__(self, sent_at: float, answer: httpx.Response) -> None:
        self.sent_at = sent_at
        self.server_millis = server_millis(answer)
        self.skipped = 0
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[KnownRegistration]:
        """Raises LeshanUnavailable when the answer ends early or is no JSON list: then nothing is known of the rest."""
        found: list[JsonValue] = ijson.sendable_list()
        parser = ijson.items_coro(found, "item", use_float=True)
        complete = started = False
        try:
            async for piece in self._answer.aiter_bytes(65_536):
                started = started or _starts_a_list(piece)
                parser.send(piece)
                for entry in found:
                    if (known := self._known(entry)) is not None:
                        yield known
                found.clear()
            parser.close()
            complete = True
        except (ijson.JSONError, httpx.HTTPError) as error:
            raise LeshanUnavailable(f"GET /clients: {type(error).__name__}: {error}") from error
        finally:
            if not complete:
                await self._answer.aclose()

    def _known(self, entry: JsonValue) -> KnownRegistration | None:
        try:
            return KnownRegistration(*registration_of(entry))
        except UnreadableEvent as error:
            self.skipped += 1
            _log.warning("registration_unreadable", reason=str(error))
            return None


class PagedRegistrations:
    """All registrations, a page at a time: what :class:`RegistrationList` tells, of the page that is being read."""

    def __init__(self, cold: httpx.AsyncClient) -> None:
        self.sent_at = time.monotonic()
        self.server_millis: int | None = None
        self.skipped = 0
        self._cold = cold

    async def __aiter__(self) -> AsyncIterator[KnownRegistration]:
        """Raises LeshanUnavailable: then nothing is known of the rest."""
        last: str | None = None
        more = True
        while more:
            before, named = self.skipped, 0
            async with listed(self._cold, clients_request(PAGE, last)) as page:
                self.server_millis = page.server_millis
                async for known in page:
                    named, last = named + 1, known.endpoint
                    yield known
            self.skipped = before + page.skipped
            more = named > 0 and named + page.skipped >= PAGE


@asynccontextmanager
async def listed(cold: httpx.AsyncClient, request: LeshanRequest) -> AsyncIterator[RegistrationList]:
    sent_at = time.monotonic()
    try:
        async with cold.stream("GET", request.target) as answer:
            if answer.status_code != 200:
                raise LeshanUnavailable(f"GET /clients: HTTP {answer.status_code}")
            yield RegistrationList(sent_at, answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LeshanUnavailable(f"GET /clients: {type(error).__name__}: {error}") from error


def _starts_a_list(piece: bytes) -> bool:
    """Whether the answer begins as a list does; anything else would read as a list of nobody.

    Raises:
        LeshanUnavailable: it does not.
    """
    text = piece.lstrip()
    if text and not text.startswith(b"["):
        raise LeshanUnavailable("GET /clients: the answer is no list of registrations")
    return bool(text)


def server_millis(answer: httpx.Response) -> int | None:
    """The server's clock when it answered (header ``Date``), None where it tells none."""
    try:
        return int(parsedate_to_datetime(answer.headers["Date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None
