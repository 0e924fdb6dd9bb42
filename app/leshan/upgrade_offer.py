"""A POST that offers ``Upgrade: h2c`` keeps its body.

The older kind of Leshan server makes this offer on every post (Java's HTTP client does). A server that does not know
h2c has to ignore it (RFC 9110, 7.8), but httptools takes whatever stands behind such a head for another protocol:
uvicorn would hand the request on without its body, and every event of that server would be lost. So the offer is taken
out of the head before it is parsed.
"""

from __future__ import annotations

import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head that are waited for; a longer one goes on as it is, and the parser refuses it."""

_END: Final = b"\r\n\r\n"
_OFFER: Final = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n)", re.IGNORECASE)


class UpgradeOfferIgnored(HttpToolsProtocol):
    """uvicorn's HTTP protocol (``uvicorn.Config(http=UpgradeOfferIgnored)``) that knows no h2c."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Hold a head back until it is whole, then pass it on without the offer."""
        if not self._in_head:
            super().data_received(data)
            return
        self._head += data
        end = self._head.find(_END)
        if end < 0 and len(self._head) <= MAX_HEAD:
            return
        data, self._head = self._head, b""
        if end >= 0:
            data = _OFFER.sub(b"", data[: end + 2]) + data[end + 2 :]
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request's head follows."""
        self._in_head = True
        super().on_message_complete()
