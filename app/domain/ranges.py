"""The range of a resource (``RangeEnumeration`` of its object model), as far as its text has a certain meaning.

The text is written for people. Of the 701 in the object models of Leshan (M18's own and those of its demo server M4)
648 have one of these forms:

- ``a..b``, also with decimals or as ``0..2^32-1``; a list of numbers and such ranges: ``0,1,2``, ``0; 3.8..20.5``,
  ``10 or 26``. For a number they bound the value, for text and opaque the length, with or without ``bytes``.
- A number alone: for text and opaque the greatest length, whether shorter ones are allowed or not.

All others (``0-100``, ``255`` of a number, ``16-bit``, ``0: disabled``, ``<7 to >12.5``, prose) restrict nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from app.domain.enums import ValueType
from app.domain.values import JsonValue

MAX_TEXT: Final = 500
"""Maximum number of characters of a range that is parsed; a longer one is prose."""

_NUMBERS: Final = frozenset({ValueType.INTEGER, ValueType.UNSIGNED_INTEGER, ValueType.FLOAT})
_TEXTS: Final = frozenset({ValueType.STRING, ValueType.CORELINK})

_BOUND: Final = r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?|2\^[0-9]{1,2}(?:-1)?"
_ITEM: Final = re.compile(rf"({_BOUND})(?:\s*\.\.\s*({_BOUND}))?")
_SEPARATOR: Final = re.compile(r"\s*[,;]\s*|\s+or\s+")
_UNIT: Final = re.compile(r"\s*(?:(?P<bytes>bytes?|B)|(?P<characters>characters?|chars?))\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The allowed values, or the allowed lengths.

    Attributes:
        intervals: the lowest and the greatest of each part; a value in any of them is in the range.
        unit: of a length, ``bytes`` or ``characters``; empty if the text gives none.
        listed: the numbers of a list of lengths as they are written: a text may also be one of them itself.
    """

    type: ValueType
    intervals: tuple[tuple[Decimal, Decimal], ...]
    unit: str = ""
    listed: frozenset[str] = frozenset()

    def violation(self, value: JsonValue) -> str | None:
        """Return a text that names the value or length outside of the range; None for a value within it.

        Args:
            value: one value of this type, in the contract's form or in that of Leshan's nodes.
        """
        if self.type in _NUMBERS:
            return None if self._has_number(value) else str(value)
        if self.type not in _TEXTS:
            return self._outside(len(value) // 2, len(value) // 2, "bytes")
        characters, size = len(value), len(value.encode())
        if value in self.listed:
            return None
        if self.unit == "bytes":
            return self._outside(size, size, "bytes")
        # if the text gives no unit, accept a value whose length fits in characters or in bytes
        return self._outside(characters, characters if self.unit else size, "characters")

    def _has_number(self, value: JsonValue) -> bool:
        if self.type is ValueType.FLOAT:  # 3.8 is within 3.8..20.5, though its double is less than the decimal 3.8
            return any(float(low) <= float(value) <= float(high) for low, high in self.intervals)
        return any(low <= int(value) <= high for low, high in self.intervals)

    def _outside(self, least: int, most: int, unit: str) -> str | None:
        if any(low <= most and least <= high for low, high in self.intervals):
            return None
        return f"a length of {least} {unit}"


@lru_cache(maxsize=8192)
def value_range(type_: ValueType, text: str) -> ValueRange | None:
    """Return the range that a model's text means for a resource of this type, None if the meaning is uncertain."""
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        return None
    if type_ in _NUMBERS:
        # "0,5" of a float can be a decimal comma, "255" of an integer the greatest value
        sure = ".." in text or (type_ is not ValueType.FLOAT and _SEPARATOR.search(text))
        intervals = _intervals(text) if sure else None
        return None if intervals is None else ValueRange(type_, intervals)
    if type_ in _TEXTS or type_ is ValueType.OPAQUE:
        return _length_range(type_, text)
    return None


def _length_range(type_: ValueType, text: str) -> ValueRange | None:
    named = _UNIT.search(text)
    unit = "" if named is None else "bytes" if named["bytes"] else "characters"
    items = text if named is None else text[: named.start()]
    intervals = _intervals(items)
    if intervals is None or any(low < 0 or low % 1 or high % 1 for low, high in intervals):
        return None
    if type_ is ValueType.OPAQUE and unit == "characters":
        return None
    if len(intervals) == 1 and ".." not in items:
        return ValueRange(type_, ((Decimal(0), intervals[0][1]),), unit)
    listed = frozenset(_SEPARATOR.split(items)) if type_ in _TEXTS and not unit else frozenset[str]()
    return ValueRange(type_, intervals, unit, listed)


def _intervals(text: str) -> tuple[tuple[Decimal, Decimal], ...] | None:
    intervals = []
    for item in _SEPARATOR.split(text):
        match = _ITEM.fullmatch(item)
        if match is None:
            return None
        low = _number(match[1])
        high = low if match[2] is None else _number(match[2])
        if low > high:
            return None
        intervals.append((low, high))
    return tuple(intervals)


def _number(text: str) -> Decimal:
    base, power, rest = text.partition("^")
    if not power:
        return Decimal(base)
    exponent, minus_one, _ = rest.partition("-")
    return Decimal(2 ** int(exponent) - bool(minus_one))
