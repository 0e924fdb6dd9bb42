"""Firmware packages as devices take them, and a local HTTP address to download them from."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def package(version: str, image: bytes = b"image") -> bytes:
    """A package as `leshan-server/README.md` describes it."""
    return f"FIRMWARE {version} {hashlib.sha256(image).hexdigest()}\n".encode() + image


@contextlib.contextmanager
def repository(files: Mapping[str, bytes], *, cut: frozenset[str] = frozenset()) -> Iterator[str]:
    """The address of an HTTP server with files by path; of those in `cut` it promises a byte more than it sends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"") + (self.path in cut)))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
