"""Global ids as Relay defines them: base64 of ``Type:id``. They are opaque to clients and never change."""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Final

OPERATION: Final = "DeviceOperation"
ENDPOINT: Final = "Endpoint"
RULE: Final = "ObservationRule"
API_TOKEN: Final = "ApiToken"  # noqa: S105 - a type's name


class NoSuchId(ValueError):
    """A text that is not a global id, or not one of the expected type."""


def global_id(type_name: str, key: str | int) -> str:
    return base64.b64encode(f"{type_name}:{key}".encode()).decode()


def operation_id(key: str | uuid.UUID) -> str:
    return global_id(OPERATION, str(key))


def endpoint_id(key: int) -> str:
    return global_id(ENDPOINT, key)


def rule_id(key: int) -> str:
    return global_id(RULE, key)


def token_id(key: int) -> str:
    return global_id(API_TOKEN, key)


def parse_id(text: str) -> tuple[str, str]:
    """Return the type name and the key that :func:`global_id` made a global id of.

    Raises:
        NoSuchId: not a global id.
    """
    try:
        type_name, _, key = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise NoSuchId(f"Invalid global id {text[:100]!r}.") from None
    if type_name == OPERATION and _is_uuid(key):
        return type_name, key
    if type_name in {ENDPOINT, RULE, API_TOKEN} and key.isascii() and key.isdigit() and len(key) <= 18:
        return type_name, key
    raise NoSuchId(f"Invalid global id {text[:100]!r}.")


def parse_operation_id(text: str) -> str:
    """Return the UUID of an operation's global id.

    Raises:
        NoSuchId: not a global id, or that of another type.
    """
    type_name, key = parse_id(text)
    if type_name != OPERATION:
        raise NoSuchId(f"Invalid operation id {text[:100]!r}; the id of a DeviceOperation is expected.")
    return key


def parse_rule_id(text: str) -> int:
    """Return the id of an observation rule's global id.

    Raises:
        NoSuchId: not a global id, or that of another type.
    """
    type_name, key = parse_id(text)
    if type_name != RULE:
        raise NoSuchId(f"Invalid rule id {text[:100]!r}; the id of an ObservationRule is expected.")
    return int(key)


def parse_token_id(text: str) -> int:
    """Return the id of an API token's global id.

    Raises:
        NoSuchId: not a global id, or that of another type.
    """
    type_name, key = parse_id(text)
    if type_name != API_TOKEN:
        raise NoSuchId(f"Invalid token id {text[:100]!r}; the id of an ApiToken is expected.")
    return int(key)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
