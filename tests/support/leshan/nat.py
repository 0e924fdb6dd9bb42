"""A router between a device and its server, which can lose the port mapping of the device."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

Address = tuple[str, int]
LOOPBACK: Final = "127.0.0.1"


class Router:
    """Forward one device's datagrams from a port of its own, and the responses back."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._device: Address | None = None
        self._inside: asyncio.DatagramTransport | None = None
        self._outside: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> Address:
        """Return the address that the device sends to."""
        return _name(self._inside)

    @property
    def seen_as(self) -> Address:
        """Return the device's address as the server sees it."""
        return _name(self._outside)

    async def open(self) -> None:
        """Start to listen."""
        self._inside = await _bind(_Inside(self))
        self._outside = await _bind(_Outside(self))

    async def rebind(self) -> None:
        """Present the device to the server at another port from now on; the old one is closed."""
        old, self._outside = self._outside, await _bind(_Outside(self))
        if old is not None:
            old.close()

    def close(self) -> None:
        """Close the router."""
        for transport in (self._inside, self._outside):
            if transport is not None:
                transport.close()

    def to_server(self, data: bytes, device: Address) -> None:
        """Forward a datagram of the device."""
        self._device = device
        if self._outside is not None:
            self._outside.sendto(data, self._server)

    def to_device(self, data: bytes) -> None:
        """Forward a datagram of the server."""
        if self._inside is not None and self._device is not None:
            self._inside.sendto(data, self._device)


class _Inside(asyncio.DatagramProtocol):
    def __init__(self, router: Router) -> None:
        self._router = router

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._router.to_server(data, addr)


class _Outside(asyncio.DatagramProtocol):
    def __init__(self, router: Router) -> None:
        self._router = router

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._router.to_device(data)


@contextlib.asynccontextmanager
async def routed(server_port: int) -> AsyncIterator[Router]:
    """Run a router in front of the server at this port of the loopback address."""
    router = Router((LOOPBACK, server_port))
    await router.open()
    try:
        yield router
    finally:
        router.close()


async def _bind(protocol: asyncio.DatagramProtocol) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=(LOOPBACK, 0))
    return transport


def _name(transport: asyncio.DatagramTransport | None) -> Address:
    assert transport is not None, "the router is not open"
    name: Address = transport.get_extra_info("sockname")
    return name
