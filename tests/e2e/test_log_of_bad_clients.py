"""Errors of clients cost the log a few lines, no tracebacks, and reveal nothing that they sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.process_fixtures import ProcessesIn
from tests.support.processes import Process
from tests.support.waiting import BOUND

TOKEN = "a-token-of-a-viewer-0123456789"
MANY = 50


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, processes_in: ProcessesIn) -> Iterator[Process]:
    with processes_in(tmp_path_factory.mktemp("log")) as group:
        yield group.start("serve", log_level="debug", auth=f"page:viewer:{TOKEN}", simulate_devices=0)


@pytest.mark.parametrize("path", ["/graphql", "/leshan/events", "/leshan_api/resource/single"])
def test_an_upload_that_is_broken_off_writes_no_traceback(served: Process, path: str) -> None:
    before = len(served.log)
    for _ in range(MANY):
        _break_off(served, path)
    _answer(served)
    assert "Traceback" not in served.log[before:]
    assert "[error" not in served.log[before:]


def test_text_that_is_not_utf_8_writes_a_line_without_a_traceback(served: Process) -> None:
    before = len(served.log)
    for _ in range(MANY):
        with _connected(served) as websocket:
            websocket.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(timeout=BOUND)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1007
    written = served.log[before:]
    assert "Traceback" not in written
    assert 1 <= written.count("Invalid UTF-8") < MANY


def test_neither_tokens_nor_query_strings_are_logged(served: Process) -> None:
    with _connected(served, "?token=in-the-query-string"):
        pass
    _answer(served)
    for secret in (TOKEN, "in-the-query-string"):
        assert secret not in served.log


def _connected(served: Process, query: str = "") -> ClientConnection:
    return connect(
        f"ws{served.url.removeprefix('http')}/graphql{query}",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
        proxy=None,
    )


def _break_off(served: Process, path: str) -> None:
    address = urlsplit(served.url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port)) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())


def _answer(served: Process) -> None:
    """Send a separate request, which is answered after the earlier ones were read."""
    with _connected(served) as websocket:
        websocket.send('{"type": "connection_init"}')
        assert "connection_ack" in str(websocket.recv(timeout=BOUND))
