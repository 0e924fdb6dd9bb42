"""A proxy in front of PostgreSQL, Redis or Leshan, whose connections a test cuts, or which loses a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

_COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Wire:
    """All connections through the proxy.

    Attributes:
        answered: transforms a piece of the server's responses.
        every: every so many COMMITs, one is executed and the connection closed before its response; 0: never.
    """

    connect: Callable[[], Awaitable[Streams]]
    answered: Callable[[bytes], bytes] = bytes
    every: int = 0
    commits: int = 0
    swallowed: int = 0
    listen: Callable[[], Awaitable[asyncio.Server]] | None = None
    _listening: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _half_open: bool = False
    _dead: set[asyncio.StreamWriter] = field(default_factory=set)

    async def cut(self) -> None:
        """Abort all connections, and accept no new ones."""
        listening, self._listening = self._listening, None
        if listening is not None:
            for one in listening.sockets:
                asyncio.get_running_loop().remove_reader(one)
            await asyncio.sleep(0)  # Python 3.11 loses a connection, unclosed, that it has accepted before this close
            listening.close()
        for writer in self._writers:
            writer.transport.abort()

    async def mend(self) -> None:
        if self._listening is None and self.listen is not None:
            self._listening = await self.listen()

    def swallow(self) -> None:
        """Accept all connections and keep them open, acknowledge the data that arrives, and forward nothing."""
        self._half_open = True
        self._dead |= self._writers

    def pass_on(self) -> None:
        """Serve new connections again. Those that were open meanwhile stay dead."""
        self._half_open = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, to its end."""
        both = {writer}  # from the beginning, so that it is cut while the server is being connected to
        self._writers.add(writer)
        try:
            behind, into = await self.connect()
            both.add(into)
            self._writers.add(into)
            if self._half_open:
                self._dead |= both
            answers = asyncio.Event()
            answers.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forth(reader, into, answers))
                tasks.create_task(self._back(behind, writer, answers))
        except* (OSError, EOFError):
            pass
        finally:
            self._writers -= both
            self._dead -= both
            for one in both:
                one.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, into: asyncio.StreamWriter, answers: asyncio.Event) -> None:
        while piece := await reader.read(65_536):
            if into in self._dead:
                continue
            if piece.endswith(_COMMIT):
                self.commits += 1
                if self.every and self.commits % self.every == 0:
                    answers.clear()
            into.write(piece)
            await into.drain()
        raise EOFError

    async def _back(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: asyncio.Event) -> None:
        while piece := await behind.read(65_536):
            if writer in self._dead:
                continue
            if not answers.is_set():
                self.swallowed += 1
                raise EOFError
            writer.write(self.answered(piece))
            await writer.drain()
        raise EOFError


@asynccontextmanager
async def before_socket(path: Path, own: Path) -> AsyncIterator[Wire]:
    """Run a proxy for a server on a Unix socket, on a socket of the same name in its own folder."""
    wire = Wire(lambda: asyncio.open_unix_connection(path))
    wire.listen = lambda: asyncio.start_unix_server(wire.serve, own / path.name)
    await wire.mend()
    try:
        yield wire
    finally:
        await wire.cut()


@asynccontextmanager
async def before_port(port: int) -> AsyncIterator[tuple[Wire, str]]:
    """Run a proxy for an HTTP server on this machine; yield it and its address. While it is cut, connections are
    refused."""
    wire = Wire(lambda: asyncio.open_connection("127.0.0.1", port))
    own = free_port()
    wire.listen = lambda: asyncio.start_server(wire.serve, "127.0.0.1", own)
    await wire.mend()
    try:
        yield wire, f"http://127.0.0.1:{own}"
    finally:
        await wire.cut()
