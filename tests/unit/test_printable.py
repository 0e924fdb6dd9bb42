"""Text of devices and users reaches a terminal with its control characters escaped."""

from __future__ import annotations

import json

import pytest

from app.printable import printable, printable_json, printable_lines

ESCAPED = [
    ("\x1b[31mred", r"\x1b[31mred"),
    ("\x9b31m", r"\x9b31m"),
    ("\x07", r"\x07"),
    ("\x7f", r"\x7f"),
    ("two\nlines\r", r"two\nlines\r"),
    ("name\u202etxt.exe", r"name\u202etxt.exe"),
    ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
    ("line\u2028separator", r"line\u2028separator"),
    ("\ud800", r"\ud800"),
    ("\U000e0001tag", r"\U000e0001tag"),
]


@pytest.mark.parametrize(("text", "shown"), ESCAPED)
def test_text_that_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["", "urn:imei:1", "Gerät 7", "温度", "🌡", "a b"])
def test_printable_text_is_unchanged(text: str) -> None:
    assert printable(text) == printable_lines(text) == printable_json(text) == text


def test_lines_are_preserved() -> None:
    assert printable_lines("first\n\tsecond\x1b[2J") == "first\n        second\\x1b[2J"


@pytest.mark.parametrize("text", [text for text, _ in ESCAPED])
def test_json_preserves_its_value(text: str) -> None:
    shown = printable_json(json.dumps({"name": text}, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == {"name": text}
