"""Firmware packages in the devices' format, and a local HTTP address to download them from."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def package(version: str, image: bytes = b"image") -> bytes:
    """Return a package as described in `leshan-server/README.md`."""
    return f"FIRMWARE {version} {hashlib.sha256(image).hexdigest()}\n".encode() + image


@dataclass(slots=True)
class Repository:
    """An HTTP server with files by path, which answers a range of a file with that range.

    Attributes:
        cut: paths whose responses announce one byte more than they have.
        halved: paths of which the connection breaks after half of the bytes, unless a range is requested.
        ranges: path and `Range` of each request, in order.
    """

    files: Mapping[str, bytes]
    cut: frozenset[str] = frozenset()
    halved: frozenset[str] = frozenset()
    ranges: list[tuple[str, str | None]] = field(default_factory=list)

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Yield the address as long as the server runs."""
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                repository.ranges.append((self.path, self.headers["Range"]))
                repository.answer(self)

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

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send a file, the rest of one, or 404."""
        whole = self.files.get(request.path)
        if whole is None:
            request.send_error(404)
            return
        wanted = re.fullmatch("bytes=([0-9]+)-", request.headers["Range"] or "")
        start = int(wanted[1]) if wanted else 0
        request.send_response(206 if wanted else 200)
        request.send_header("ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
        request.send_header("Content-Length", str(len(whole) - start + (request.path in self.cut)))
        if wanted:
            request.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        request.end_headers()
        breaks = request.path in self.halved and not wanted
        request.wfile.write(whole[start : len(whole) // 2] if breaks else whole[start:])


@contextlib.contextmanager
def repository(files: Mapping[str, bytes], *, cut: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the address of a :class:`Repository` that serves these files."""
    with Repository(files, cut=cut).serve() as url:
        yield url
