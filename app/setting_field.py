"""A setting as a field of a dataclass: its default, its description, and the function that reads its variable's text.

Such a function returns the value, or raises ValueError with the expected form; the message contains nothing of the
text, which may be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_FLAGS: Final = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def setting(default: T, read: Callable[[str], T], description: str, *, secret: bool = False) -> T:
    """Declare a field of :class:`app.settings.Settings`. A ``secret`` is not shown by ``repr``."""
    metadata = {"read": read, "description": description}
    if isinstance(default, dict):
        declared: Any = field(default_factory=default.copy, repr=not secret, metadata=metadata)
    else:
        declared = field(default=default, repr=not secret, metadata=metadata)
    return declared  # type: ignore[no-any-return] # as dataclasses.field is typed


def string(text: str) -> str:
    """Return the text."""
    return text


def up_to(length: int) -> Callable[[str], str]:
    """Read a text of at most so many characters."""

    def read(text: str) -> str:
        if len(text) > length:
            raise ValueError(f"expected at most {length} characters")
        return text

    return read


def integer(at_least: int, at_most: int | None = None) -> Callable[[str], int]:
    """Read an integer of a range."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("expected a valid integer") from None
        if number < at_least:
            raise ValueError(f"expected an integer greater than or equal to {at_least}")
        if at_most is not None and number > at_most:
            raise ValueError(f"expected an integer less than or equal to {at_most}")
        return number

    return read


def flag(text: str) -> bool:
    """Read a truth value: ``true`` or ``false``, also as ``yes``, ``on``, ``1`` and so on."""
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError("expected true or false") from None


def choice(of: type[E]) -> Callable[[str], E]:
    """Read one of the values of an enum."""

    def read(text: str) -> E:
        if text not in tuple(of):
            *most, last = (repr(member.value) for member in of)
            raise ValueError(f"expected {', '.join(most)} or {last}")
        return of(text)

    return read


def json_object(read_value: Callable[[str], T]) -> Callable[[str], dict[str, T]]:
    """Read a JSON object, and each of its values."""

    def read(text: str) -> dict[str, T]:
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise ValueError("expected a JSON object whose values are strings")
        return {name: read_value(value) for name, value in given.items()}

    return read


def existing_file(text: str) -> Path:
    """Read the path of a file that exists."""
    path = Path(text)
    if not path.is_file():
        raise ValueError("no such file")
    return path


def existing_folder(text: str) -> Path:
    """Read the path of a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise ValueError("no such folder")
    return path
