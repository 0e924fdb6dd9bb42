"""A response's head is sent with the first bytes of its body if these come at once, and never later than a turn."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest

from app.response_transport import ResponseTransport

pytestmark = pytest.mark.asyncio

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def _transport() -> tuple[ResponseTransport, list[bytes]]:
    sent: list[bytes] = []
    below = mock.Mock(spec=asyncio.Transport, write=sent.append)
    return ResponseTransport(below, asyncio.get_running_loop(), lambda: None), sent


async def test_a_head_is_sent_together_with_its_body() -> None:
    transport, sent = _transport()
    transport.write(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert sent == [HEAD + b"body", b"more"]


async def test_a_head_without_a_body_is_sent_in_the_next_turn() -> None:
    transport, sent = _transport()
    transport.write(HEAD)
    assert sent == []
    await asyncio.sleep(0)
    assert sent == [HEAD]
    transport.write(b"a body that comes later")
    assert sent == [HEAD, b"a body that comes later"]


async def test_flush_sends_a_waiting_head_once() -> None:
    transport, sent = _transport()
    transport.write(HEAD)
    transport.flush()
    transport.flush()
    await asyncio.sleep(0)
    assert sent == [HEAD]
