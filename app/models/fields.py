"""The values of columns with the same meaning on SQLite and PostgreSQL.

JSON is stored as plain TEXT on both: no query searches inside it, it is returned exactly as it was stored (JSONB would
turn 1e300 into an integer of 301 digits), and both drivers pass it as the same string.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson


def dump_json(value: Any) -> str | None:
    """Return the TEXT of a JSON column; None remains NULL."""
    return None if value is None else orjson.dumps(value).decode()


def load_json(text: str | None) -> Any:
    """Return the value that :func:`dump_json` was given."""
    return None if text is None else orjson.loads(text)


def members_of(enum: type[StrEnum]) -> Mapping[str | None, Any]:
    """Map the texts of a column to the members of its enumeration, and NULL to None. Calling the enumeration takes five
    times as long; the tables' CHECKs exclude other texts."""
    return {None: None, **{member.value: member for member in enum}}


def codes_of(enum: type[StrEnum]) -> Mapping[StrEnum, int]:
    """Map the members of an enumeration to their positions, which a SMALLINT column stores."""
    return {member: code for code, member in enumerate(enum)}


def storable_text(text: str, most: int) -> str:
    """Return text from elsewhere (a device, Leshan, a proxy) as both databases can store it: no NUL, no half of a
    surrogate pair, at most ``most`` characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:most]
