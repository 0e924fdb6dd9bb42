"""Cursors, opaque to clients: positions in the log, and ends of pages.

Both are base64url of a short text. A log cursor orders every transition, presence change and value of the system; a
page cursor is the sort key of one row, so a page continues where the previous one ended, whatever was inserted
meanwhile (keyset pagination).
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_LOG: Final = "log"
_MAX_SEQ: Final = 2**63 - 1


class InvalidCursor(ValueError):
    """The text is no cursor of this kind, or one beyond the end of the log."""


def log_cursor(seq: int) -> str:
    """Return the cursor of everything up to and including ``seq``."""
    return page_cursor(_LOG, seq)


def parse_log_cursor(text: str) -> int:
    """Return the ``seq`` of a log cursor.

    Raises:
        InvalidCursor: it is not a log cursor.
    """
    return parse_seq_cursor(_LOG, text)


def page_cursor(kind: str, key: int | str) -> str:
    """Return the cursor of one row: ``kind`` names the list it belongs to, ``key`` is the list's sort key."""
    return urlsafe_b64encode(f"{kind}:{key}".encode()).rstrip(b"=").decode()


def parse_page_cursor(kind: str, text: str) -> str:
    """Return the key of a cursor, as text.

    Raises:
        InvalidCursor: it is no cursor, or one of another list.
    """
    try:
        found, _, key = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode().partition(":")
    except (UnicodeError, binascii.Error):
        found = key = ""
    if found != kind or not key or page_cursor(kind, key) != text:
        raise InvalidCursor(f"Invalid cursor {text[:100]!r}; a cursor of this list is expected.")
    return key


def parse_seq_cursor(kind: str, text: str) -> int:
    """Return the key of a cursor of a list that is sorted by ``seq``.

    Raises:
        InvalidCursor: it is no cursor, or one of another list.
    """
    key = parse_page_cursor(kind, text)
    if not (key.isascii() and key.isdecimal() and int(key) <= _MAX_SEQ):
        raise InvalidCursor(f"Invalid cursor {text[:100]!r}; a cursor of this list is expected.")
    return int(key)
