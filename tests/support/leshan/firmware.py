"""Firmware packages in the devices' format, and a local HTTP address to download them from."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def package(version: str, image: bytes = b"image") -> bytes:
    """Return a package as described in `leshan-server/README.md`."""
    return f"FIRMWARE {version} {hashlib.sha256(image).hexdigest()}\n".encode() + image


@contextlib.contextmanager
def repository(files: Mapping[str, bytes], *, cut: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the address of an HTTP server with files by path; for those in `cut` it announces one byte more than it
    sends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"") + (self.path in cut)))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
