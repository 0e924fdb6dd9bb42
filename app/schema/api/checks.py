"""Checks of input values, which the fields of inputs are declared with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

import strawberry
from strawberry.utils.str_converters import to_camel_case

from app.domain.paths import InvalidPath, LwM2mPath
from app.domain.values import UNSTORABLE
from app.schema.errors import bad_input, over_limit
from app.schema.limits import MAX_NAME, MAX_NAMES, MAX_TAG, MAX_TAGS, Range

T = TypeVar("T")
Check: TypeAlias = Callable[[Any, str], Any]
"""Returns a value that is not null as it is used, or raises ApiError with the field's path."""


def checked_field(check: Check | None = None, *, description: str, default: Any = None, setting: bool = False) -> Any:
    """Declare a field of an input with its check.

    Args:
        check: None if every value of its GraphQL type is valid.
        setting: whether the field is a setting of the new operation: the field of the same name in ``NewOperation``.
    """
    metadata = {"check": check or _any, "setting": setting}
    return strawberry.field(default=default, description=description, metadata=metadata)


def checked_values(given: Any, prefix: str = "", *, settings: bool = False) -> dict[str, Any]:
    """Return the values of an input's checked fields by their Python names, without those that are null.

    Args:
        prefix: prefix of the fields' paths in errors.
        settings: whether to return the settings of a new operation only.

    Raises:
        ApiError: as the fields' checks do.
    """
    values: dict[str, Any] = {}
    for name, graphql_name, check, setting in _checked_fields(cast("Hashable", type(given))):
        value = getattr(given, name)
        if value is not None and setting >= settings:
            values[name] = check(value, prefix + graphql_name)
    return values


@cache
def _checked_fields(input_type: Hashable) -> tuple[tuple[str, str, Check, bool], ...]:
    """Return Python name, GraphQL name, check and ``setting`` of each checked field of an input type."""
    return tuple(
        (field.python_name, to_camel_case(field.python_name), field.metadata["check"], field.metadata["setting"])
        for field in input_type.__strawberry_definition__.fields  # type: ignore[attr-defined]
        if "check" in field.metadata
    )


def _any(value: T, _field: str) -> T:
    return value


def plain_text(text: str, field: str) -> str:
    """Check a name or a key: not empty, not too long, and without characters that a database cannot store.

    Raises:
        ApiError: BAD_USER_INPUT: wrong length, or NUL or a lone surrogate in the text.
    """
    if not 1 <= len(text) <= MAX_NAME:
        raise bad_input(f"Invalid length of {len(text)} characters; 1 to {MAX_NAME} are expected.", field)
    if UNSTORABLE.search(text):
        raise bad_input("Invalid character; text without NUL and lone surrogates is expected.", field)
    return text


def optional_text(text: str | None, field: str) -> str | None:
    """Check a name or a key as :func:`plain_text` does; None is valid."""
    return None if text is None else plain_text(text, field)


def substring(text: str, field: str) -> str | None:
    """Check a part of a name as :func:`plain_text` does; None for an empty one, which every name contains."""
    return plain_text(text, field) if text else None


def within(range_: Range) -> Check:
    """Return the check that a number is in a range, both ends included."""
    least, most = range_

    def check(value: int, field: str) -> int:
        if not least <= value <= most:
            raise bad_input(f"{value} is out of range; {least} to {most} is expected.", field)
        return value

    return check


def distinct(values: Collection[T], _field: str) -> tuple[T, ...]:
    """Return the values without repetitions."""
    return tuple(dict.fromkeys(values))


def distinct_names(names: Collection[str], field: str) -> tuple[str, ...]:
    """Check names as :func:`plain_text` does, and return them without repetitions.

    Raises:
        ApiError: LIMIT_EXCEEDED: too many of them.
    """
    if len(names) > MAX_NAMES:
        raise over_limit(f"Too many endpoint names ({len(names)}); at most {MAX_NAMES} are allowed.", MAX_NAMES)
    return distinct([plain_text(name, field) for name in names], field)


def checked_tags(tags: Collection[str], field: str) -> tuple[str, ...]:
    """Check tags as :func:`plain_text` does, but for their length, and return them sorted, without repetitions.

    Raises:
        ApiError: LIMIT_EXCEEDED: too many of them.
    """
    found = tuple(sorted(set(tags)))
    if len(found) > MAX_TAGS:
        raise over_limit(f"Too many tags ({len(found)}); at most {MAX_TAGS} are allowed.", MAX_TAGS)
    for tag in found:
        if len(plain_text(tag, field)) > MAX_TAG:
            raise bad_input(f"Invalid length of {len(tag)} characters; tags of 1 to {MAX_TAG} are expected.", field)
    return found


def checked_prefix(text: str | None, field: str) -> str | None:
    """Return a path prefix with its leading slash; None for no prefix and for the root.

    Raises:
        ApiError: BAD_USER_INPUT: not a path.
    """
    if text is None or text in {"", "/"}:
        return None
    try:
        return str(LwM2mPath.parse(text.removesuffix("/")))
    except InvalidPath as error:
        raise bad_input(str(error), field) from None
