"""All registrations of a Leshan server, ``GET /clients``: read in pieces, and by pages if the server supports them."""

from __future__ import annotations

import asyncio
import re
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
from app.leshan.response_pieces import pieces_of

PAGE: Final = 1_000

MAX_REGISTRATIONS: Final = 1_000_000
MAX_ENTRY: Final = 4 * 1024 * 1024
"""Maximum bytes of one registration, as of one event."""

USUAL_DEPTH: Final = 4
"""Usual nesting of arrays and objects in a registration."""

MAX_DEPTH: Final = 32
"""Maximum nesting beyond the usual depth; ijson itself has no limit, and each level costs it memory."""

LIST_SECONDS: Final = 300.0
"""Maximum time that one list, or one page of it, may keep Reveille waiting for its bytes, all waits together."""

_log = structlog.get_logger(__name__)


class LeshanUnavailable(Exception):
    """Raised if a request about the server itself gets no valid response of Leshan. The message says why."""


@dataclass(frozen=True, slots=True)
class KnownRegistration:
    """One client of ``GET /clients``."""

    endpoint: str
    registration: Registration


class Registrations(Protocol):
    """The result of :meth:`LeshanClient.registrations`: see :class:`RegistrationList`."""

    sent_at: float
    server_millis: int | None
    skipped: int

    def __aiter__(self) -> AsyncIterator[KnownRegistration]: ...


class RegistrationList:
    """The response of ``GET /clients``, read in pieces while it is iterated; a broken entry is skipped and counted.

    Attributes:
        sent_at: when the request was sent, of ``time.monotonic``.
        server_millis: the server's own clock when it responded (header ``Date``), None if it has none.
        skipped: entries so far that could not be read.
    """

    def __init__(self, sent_at: float, answer: httpx.Response) -> None:
        self.sent_at = sent_at
        self.server_millis = server_millis(answer)
        self.skipped = 0
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[KnownRegistration]:
        """Yield the registrations.

        Raises:
            LeshanUnavailable: the response ends early, is no JSON list, or exceeds a limit; the rest is unknown.
        """
        found: list[JsonValue] = ijson.sendable_list()
        parser = ijson.items_coro(found, "item", use_float=True)
        depth = _Depth()
        complete = started = False
        since_entry = count = 0
        try:
            async for piece in _within(LIST_SECONDS, pieces_of(self._answer)):
                started = started or _starts_a_list(piece)
                depth.check(piece)
                parser.send(piece)
                since_entry = 0 if found else since_entry + len(piece)
                count += len(found)
                _check(since_entry <= MAX_ENTRY, f"an entry has more than {MAX_ENTRY} bytes")
                _check(count <= MAX_REGISTRATIONS, f"more than {MAX_REGISTRATIONS} entries")
                for entry in found:
                    if (known := self._known(entry)) is not None:
                        yield known
                found.clear()
            parser.close()
            complete = True
        except (ijson.JSONError, httpx.HTTPError, TimeoutError) as error:
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
    """All registrations, a page at a time; the attributes of :class:`RegistrationList` are those of the current
    page."""

    def __init__(self, cold: httpx.AsyncClient) -> None:
        self.sent_at = time.monotonic()
        self.server_millis: int | None = None
        self.skipped = 0
        self._cold = cold

    async def __aiter__(self) -> AsyncIterator[KnownRegistration]:
        """Yield the registrations. Raise LeshanUnavailable if a page cannot be read: then the rest is unknown."""
        last: str | None = None
        more, count = True, 0
        while more:
            before, named = self.skipped, 0
            async with listed(self._cold, clients_request(PAGE, last)) as page:
                self.server_millis = page.server_millis
                async for known in page:
                    named, last = named + 1, known.endpoint
                    yield known
            self.skipped = before + page.skipped
            count += named
            _check(count <= MAX_REGISTRATIONS, f"more than {MAX_REGISTRATIONS} entries")
            more = named > 0 and named + page.skipped >= PAGE


@asynccontextmanager
async def listed(cold: httpx.AsyncClient, request: LeshanRequest) -> AsyncIterator[RegistrationList]:
    sent_at = time.monotonic()
    try:
        async with asyncio.timeout(LIST_SECONDS) as opening, cold.stream("GET", request.target) as answer:
            opening.reschedule(None)
            if answer.status_code != 200:
                raise LeshanUnavailable(f"GET /clients: HTTP {answer.status_code}")
            yield RegistrationList(sent_at, answer)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise LeshanUnavailable(f"GET /clients: {type(error).__name__}: {error}") from error


class _Depth:
    """The nesting depth of JSON, followed through its pieces.

    Strings are cut out first, then everything but brackets, both in C: a few bytes for each entry remain.
    """

    _STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("|\\?\Z)', re.DOTALL)
    """A string, or its beginning at the end of a piece: the group is its end, and not a quote in the latter case."""
    _NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

    def __init__(self) -> None:
        self._depth = 0
        self._open_string = b""

    def check(self, piece: bytes) -> None:
        """Raise LeshanUnavailable once it nests too deeply."""
        parts = self._STRING.split(self._open_string + piece)
        is_cut = len(parts) > 1 and parts[-2] != b'"'
        self._open_string = b'"' + parts[-2] if is_cut else b""
        brackets = b"".join(parts[::2]).translate(None, self._NO_BRACKETS)
        for _ in range(USUAL_DEPTH):  # pairs within the usual depth need no check of each bracket
            brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        for bracket in brackets:
            self._depth += 1 if bracket in b"[{" else -1
            _check(self._depth <= MAX_DEPTH, f"it nests more than {MAX_DEPTH} levels deep")


def _check(is_within: bool, problem: str) -> None:
    if not is_within:
        raise LeshanUnavailable(f"GET /clients: {problem}")


async def _within(seconds: float, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces; raise TimeoutError once the waits for them exceed the time, all together."""
    while True:
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            piece = await anext(pieces, None)
        if piece is None:
            return
        seconds -= time.monotonic() - begun
        yield piece


def _starts_a_list(piece: bytes) -> bool:
    """Return whether the response begins as a list does; anything else would read as an empty list.

    Raises:
        LeshanUnavailable: it does not.
    """
    text = piece.lstrip()
    if text and not text.startswith(b"["):
        raise LeshanUnavailable("GET /clients: the answer is no list of registrations")
    return bool(text)


def server_millis(answer: httpx.Response) -> int | None:
    """Return the server's clock when it responded (header ``Date``), None if it has none."""
    try:
        return int(parsedate_to_datetime(answer.headers["Date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None
