"""The audit of mutations: which caller requested which change of what, with the arguments in short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from strawberry import Some
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from app.models.fields import dump_json, storable_text
from app.models.ledger import AuditEntry
from app.schema.api.scalars import write_datetime
from app.schema.limits import MAX_NAME
from app.security import Viewer

MAX_TEXT: Final = 200
"""Maximum length of a text in the detail of an event."""
MAX_MEMBERS: Final = 10
"""Maximum number of members of a list in the detail of an event."""
MAX_DETAIL: Final = 4_000
"""Maximum length of the detail of an event; a longer one is left out."""
NOT_RECORDED: Final = "(not recorded)"
_SECRET: Final = frozenset({"value", "arguments"})
"""Fields whose values may be secrets, such as the keys of a device."""
_TIMES: Final = ("At", "After", "Before")
"""Ends of the names of fields that are times."""
_TARGETS: Final = ("id", "name", "endpoint", "leshanServer", "batch")
"""Arguments and input fields that name what a mutation is about, in order of preference."""


def entry_of(viewer: Viewer, action: str, arguments: Mapping[str, Any], error: str | None = None) -> AuditEntry:
    """Return the audit entry of a mutation with these arguments; ``error`` is the code with which it failed."""
    detail = {to_camel_case(name): _short(to_camel_case(name), value) for name, value in arguments.items()}
    detail = {name: value for name, value in detail.items() if value is not None}
    named = detail | (detail["input"] if isinstance(detail.get("input"), dict) else {})
    target = next((named[name] for name in _TARGETS if isinstance(named.get(name), str)), None)
    if error is not None:
        detail["error"] = error
    return audit_entry(viewer.name, action, target, detail)


def audit_entry(actor: str, action: str, target: str | None, detail: Mapping[str, Any]) -> AuditEntry:
    """Return an audit entry within its limits of size."""
    text = dump_json(detail) or "{}"
    if len(text) > MAX_DETAIL:
        text = dump_json({"truncated": True, **({"error": detail["error"]} if "error" in detail else {})}) or "{}"
    return AuditEntry(
        storable_text(actor, MAX_NAME),
        action[:64],
        None if target is None else storable_text(target, MAX_NAME),
        None if text == "{}" else text,
    )


def _short(name: str, given: Any) -> Any:
    """Return an input as JSON: short texts and lists, no values of resources, and no fields that are null."""
    if isinstance(given, Some):
        given = given.value
    if given is None:
        return None
    if name in _SECRET:
        return NOT_RECORDED
    if isinstance(given, StrEnum):
        return given.name
    if isinstance(given, int) and name.endswith(_TIMES):
        return write_datetime(given)
    if isinstance(given, str):
        return storable_text(given, MAX_TEXT)
    if isinstance(given, Mapping):
        return _members((str(key), value) for key, value in given.items())
    if isinstance(given, Sequence):
        shown = [_short(name, member) for member in given[:MAX_MEMBERS]]
        return [*shown, f"({len(given) - MAX_MEMBERS} more)"] if len(given) > MAX_MEMBERS else shown
    definition = get_object_definition(given)
    if definition is None:
        return given
    return _members(
        (to_camel_case(field.python_name), getattr(given, field.python_name)) for field in definition.fields
    )


def _members(pairs: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    short = ((name, _short(name, value)) for name, value in pairs)
    return {name: value for name, value in short if value is not None}
