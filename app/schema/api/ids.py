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
FIRMWARE_PACKAGE: Final = "FirmwarePackage"
FIRMWARE_UPDATE: Final = "FirmwareUpdate"
CAMPAIGN: Final = "Campaign"

_NUMBERED: Final = frozenset({ENDPOINT, RULE, API_TOKEN, FIRMWARE_PACKAGE, FIRMWARE_UPDATE, CAMPAIGN})
"""Types whose keys are numbers."""


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


def package_id(key: int) -> str:
    return global_id(FIRMWARE_PACKAGE, key)


def firmware_update_id(key: int) -> str:
    return global_id(FIRMWARE_UPDATE, key)


def campaign_id(key: int) -> str:
    return global_id(CAMPAIGN, key)


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
    if type_name in _NUMBERED and key.isascii() and key.isdigit() and len(key) <= 18:
        return type_name, key
    raise NoSuchId(f"Invalid global id {text[:100]!r}.")


def parse_operation_id(text: str) -> str:
    """Return the UUID of an operation's global id. Raises as :func:`_key_of` does."""
    return _key_of(text, OPERATION, "operation", "a")


def parse_rule_id(text: str) -> int:
    """Return the id of an observation rule's global id. Raises as :func:`_key_of` does."""
    return int(_key_of(text, RULE, "rule", "an"))


def parse_token_id(text: str) -> int:
    """Return the id of an API token's global id. Raises as :func:`_key_of` does."""
    return int(_key_of(text, API_TOKEN, "token", "an"))


def parse_package_id(text: str) -> int:
    """Return the id of a firmware package's global id. Raises as :func:`_key_of` does."""
    return int(_key_of(text, FIRMWARE_PACKAGE, "package", "a"))


def parse_firmware_update_id(text: str) -> int:
    """Return the id of a firmware update's global id. Raises as :func:`_key_of` does."""
    return int(_key_of(text, FIRMWARE_UPDATE, "firmware update", "a"))


def parse_campaign_id(text: str) -> int:
    """Return the id of a campaign's global id. Raises as :func:`_key_of` does."""
    return int(_key_of(text, CAMPAIGN, "campaign", "a"))


def _key_of(text: str, expected: str, name: str, article: str) -> str:
    """Return the key of a global id.

    Raises:
        NoSuchId: not a global id, or that of another type than ``expected``. The message has ``name`` and ``article``.
    """
    type_name, key = parse_id(text)
    if type_name != expected:
        raise NoSuchId(f"Invalid {name} id {text[:100]!r}; the id of {article} {expected} is expected.")
    return key


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
