"""A proxy before PostgreSQL, Redis or Leshan, of whose wire the test decides: cut, held, or an answer swallowed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Wire:
    """All connections that go through it.

    Attributes:
        swallow: how many answers to COMMIT are kept from whoever asked: done, then the connection is gone.
        every: swallow the answer of each so-manieth COMMIT; 0 of none.
    """

    connect: Callable[[], Awaitable[Streams]]
    every: int = 0
    commits: int = 0
    swallowed: int = 0
    _is_cut: bool = False
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._open.set()

    def hold(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._open.clear()

    def cut(self) -> None:
        """All connections end, and no new one is taken."""
        self._is_cut = True
        self._end_all()

    def mend(self) -> None:
        self._is_cut = False
        self._open.set()

    def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            behind, into = await self.connect()
        except OSError:
            writer.transport.abort()
            return
        both = {writer, into}
        self._writers |= both
        answers = asyncio.Event()
        answers.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forth(reader, into, answers))
                tasks.create_task(self._back(behind, writer, answers))
        except* (OSError, EOFError):
            pass
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, into: asyncio.StreamWriter, answers: asyncio.Event) -> None:
        while piece := await reader.read(65_536):
            await self._open.wait()
            if piece.endswith(_COMMIT):
                self.commits += 1
                if self.every and self.commits % self.every == 0:
                    answers.clear()
            into.write(piece)
            await into.drain()
        raise EOFError

    async def _back(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: asyncio.Event) -> None:
        while piece := await behind.read(65_536):
            await self._open.wait()
            if not answers.is_set():
                self.swallowed += 1
                raise EOFError
            writer.write(piece)
            await writer.drain()
        raise EOFError


@asynccontextmanager
async def before_socket(path: Path, own: Path) -> AsyncIterator[Wire]:
    """A wire to a server on a Unix socket, on a socket of the same name in a folder of its own."""
    wire = Wire(lambda: asyncio.open_unix_connection(path))
    listening = await asyncio.start_unix_server(wire.serve, own / path.name)
    try:
        yield wire
    finally:
        wire.mend()
        wire.cut()
        listening.close()


@asynccontextmanager
async def before_port(port: int) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to an HTTP server on this machine, and its address."""
    wire = Wire(lambda: asyncio.open_connection("127.0.0.1", port))
    listening = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    try:
        yield wire, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        wire.mend()
        wire.cut()
        with contextlib.suppress(OSError):
            listening.close()
