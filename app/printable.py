"""Make the text of devices, Leshan servers and users safe for a terminal.

Endpoint names, values, details and reasons may contain control characters: an escape sequence moves the cursor, changes
the title or the clipboard, and bidirectional controls (Unicode TR 36, 2.9) display a line in a different order.
"""

from __future__ import annotations

import json
from collections.abc import Callable


def printable(text: str) -> str:
    """Return the text with every character that is not printable, line breaks included, as its Python escape.

    :meth:`str.isprintable` decides whether a character is printable: no control, format, private or unassigned
    character, no surrogate, and no separator but the space.
    """
    return _escaped(text, lambda char: char.encode("unicode_escape").decode())


def printable_lines(text: str) -> str:
    """Return text of several lines, such as a traceback, with each line made printable; tabs become spaces."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def printable_json(document: str) -> str:
    """Return a JSON document with every character that is not printable as its JSON escape; it stays the same JSON.

    Such a character is always within a string, provided that the document is on one line.
    """
    return _escaped(document, lambda char: json.dumps(char)[1:-1])


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else escape(char) for char in text)
