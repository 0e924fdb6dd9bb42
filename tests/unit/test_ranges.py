"""Ranges of resources: a text with a clear meaning is checked, all other text restricts nothing.

``tests/captures/range-enumerations.json`` holds each distinct ``RangeEnumeration`` of the object models in Leshan's
demo server 2.0.0-M4 (328 files) and in its core library 2.0.0-M18 (19): type, text, number of resources that have it,
and its meaning: intervals, and the unit of a length where one is named; null where the meaning is not clear.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from app.domain.enums import ValueType
from app.domain.ranges import value_range

T = ValueType
KNOWN: Final[list[Any]] = json.loads(
    (Path(__file__).parents[1] / "captures" / "range-enumerations.json").read_text("utf-8")
)
PLAIN: Final = re.compile(r"(-?\d+)\.\.(-?\d+)")
NUMBERS: Final = {"INTEGER", "UNSIGNED_INTEGER", "FLOAT"}
LENGTHS: Final = {"STRING", "OPAQUE"}


@pytest.mark.parametrize(("type_", "text", "count", "intervals", "unit"), KNOWN)
def test_every_range_of_the_known_models(
    type_: str, text: str, count: int, intervals: list[list[str]] | None, unit: str
) -> None:
    meant = value_range(ValueType(type_), text)
    assert (meant is None) is (intervals is None), f"{count} resources have it"
    if meant is not None and intervals is not None:
        assert [[str(low), str(high)] for low, high in meant.intervals] == intervals
        assert meant.unit == unit


def plain_ranges() -> list[tuple[ValueType, str, int, int]]:
    """Return the ranges of two integers, which are by far the most."""
    found = [(T(type_), text, PLAIN.fullmatch(text)) for type_, text, *_ in KNOWN if type_ in NUMBERS | LENGTHS]
    bounds = [(type_, text, int(match[1]), int(match[2])) for type_, text, match in found if match is not None]
    return [(type_, text, low, high) for type_, text, low, high in bounds if low <= high]


def test_two_integers_bound_numbers_and_lengths_in_all_known_models() -> None:
    assert len(plain_ranges()) == 77
    for type_, text, low, high in plain_ranges():
        meant = value_range(type_, text)
        assert meant is not None
        for number in {low, (low + high) // 2, high}:
            assert meant.violation(written(type_, number)) is None, (type_, text, number)
        for number in {low - 1, high + 1}:
            if number >= 0 or type_ in NUMBERS:
                assert meant.violation(written(type_, number)) is not None, (type_, text, number)


def written(type_: ValueType, number: int) -> Any:
    """Return a value that is this number, or has this length."""
    if type_ is T.FLOAT:
        return float(number)
    if type_ is T.STRING:
        return "x" * number
    return "ab" * number if type_ is T.OPAQUE else str(number)


def test_how_many_of_the_known_ranges_are_checked() -> None:
    total = sum(count for _, _, count, _, _ in KNOWN)
    sure = sum(count for _, _, count, intervals, _ in KNOWN if intervals is not None)
    assert (sure, total) == (648, 701)


@pytest.mark.parametrize(
    ("type_", "text", "within", "outside"),
    [
        (T.INTEGER, "0..100", ["0", "100", 7], ["-1", "101", 101]),
        (T.INTEGER, " -40 .. +85 ", ["-40", "85"], ["-41", "86"]),
        (T.INTEGER, "0,1,2", ["0", "2"], ["3", "-1"]),
        (T.INTEGER, "0..247, 255", ["247", "255"], ["248", "254", "256"]),
        (T.INTEGER, "0..2^63-1", ["9223372036854775807"], ["-1"]),
        (T.UNSIGNED_INTEGER, "0..18446744073709551614", ["18446744073709551614"], ["18446744073709551615"]),
        (T.FLOAT, "3.8..20.5", [3.8, 20.5, "3.8", "2.05E1"], [3.799, 20.500001, "1.0E300"]),
        (T.FLOAT, "0; 3.8..20.5", [0.0, 4.0], [0.1, 3.7]),
        (T.STRING, "0..255 bytes", ["x" * 255, "\u20ac" * 85], ["x" * 256, "\u20ac" * 86]),
        (T.STRING, "1..64 Bytes", ["x"], ["", "x" * 65]),
        (T.STRING, "0..4 characters", ["\u20ac" * 4], ["\u20ac" * 5]),
        (T.STRING, "0..255", ["x" * 255, "\u20ac" * 255], ["x" * 256]),
        (T.STRING, "4..63", ["abcd", "\u20ac\u20ac"], ["abc", "\u20ac"]),
        (T.STRING, "64", ["", "x" * 64], ["x" * 65]),
        (T.STRING, "10 or 26 Bytes", ["x" * 10, "x" * 26], ["x" * 11, "10"]),
        (T.STRING, "10,26", ["x" * 10, "26"], ["x" * 11, "27"]),
        (T.OPAQUE, "16,32,48", ["ab" * 16, "ab" * 48], ["", "ab" * 17]),
        (T.OPAQUE, "6 bytes", ["", "ab" * 6], ["ab" * 7]),
        (T.CORELINK, "0..3", ["</>"], ["</3>"]),
    ],
)
def test_values_that_a_range_allows(type_: ValueType, text: str, within: list[Any], outside: list[Any]) -> None:
    meant = value_range(type_, text)
    assert meant is not None
    assert [value for value in within if meant.violation(value) is not None] == []
    assert [value for value in outside if meant.violation(value) is None] == []


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *((T.INTEGER, text) for text in ("", " ", "255", "0-100", "100..0", "0: disabled", "16-bit", "[1:4]", "0..")),
        *((T.INTEGER, text) for text in ("0, 1, ..", "1, 2, 3, ...", "0..100 %", "0x00..0xFF", "one of the above")),
        *((T.FLOAT, text) for text in ("0,5", "0,5..1,5", "<7 to >12.5", "ON;OFF")),
        *((T.STRING, text) for text in ("-1..5", "0.5..3", "8 bit", "0-255 bytes", "A, B or C", "see 5.3.1.1")),
        *((T.OPAQUE, text) for text in ("16-32-48 bytes", "8 bit", "0..4 characters")),
        *((type_, "0..1") for type_ in (T.BOOLEAN, T.TIME, T.OBJLNK)),
        (T.INTEGER, "1," * 250 + "1"),
    ],
)
def test_an_ambiguous_text_restricts_nothing(type_: ValueType, text: str) -> None:
    assert value_range(type_, text) is None
