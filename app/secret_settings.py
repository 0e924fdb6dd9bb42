"""Settings that are secrets: their checks, and the files that they may be read from (``REVEILLE_X_FILE``)."""

from __future__ import annotations

import base64
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRETS: Final = ("database_url", "redis_url", "leshan_headers", "webhook_secret", "webhook_token", "auth")
"""Fields that may be read from a file: ``REVEILLE_X_FILE``."""
SUFFIX: Final = "_FILE"
MAX_BYTES: Final = 65_536


def read_secret(path: str) -> str:
    """Return the text of a file, without the line break at its end.

    Raises:
        ValueError: with the problem; the message contains nothing of the file.
    """
    file = Path(path)
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ValueError("not a regular file")
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"too long; expected at most {MAX_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("expected text in UTF-8") from None
    if not text.strip():
        raise ValueError("the file is empty")
    return text.removesuffix("\n").removesuffix("\r")


def secrets_of_files(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the texts of the secrets whose ``.._FILE`` names a file, by field. ``variables`` have no empty value.

    Raises:
        ValueError: a file cannot be read, or the secret is given twice. The message names the variable.
    """
    found: dict[str, str] = {}
    for field in SECRETS:
        variable = prefix + field.upper()
        path = variables.get(variable + SUFFIX)
        if path is None:
            continue
        if variable in variables:
            raise ValueError(f"{variable}{SUFFIX}: {variable} is set, too; expected one of them")
        try:
            found[field] = read_secret(path)
        except ValueError as error:
            raise ValueError(f"{variable}{SUFFIX}: {path[:200]}: {error}") from None
    return found


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the parts of a text, without empty ones."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def check_webhook_secret(text: str) -> str:
    """Check one secret of Standard Webhooks, or two. Raise ValueError."""
    secrets = comma_separated(text)
    if not 1 <= len(secrets) <= 2:
        raise ValueError("expected one secret, or two separated by a comma")
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not 24 <= len(key) <= 64:
            raise ValueError("expected whsec_ and base64 of 24 to 64 bytes (Standard Webhooks)")
    return text


_TRANSPORT_HEADERS: Final = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "reveille-request",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that the Leshan client sends by itself, or that change how a message is framed (RFC 9112, 6 and 7)."""


def check_leshan_headers(headers: dict[str, str]) -> dict[str, str]:
    """Check headers that are added to the calls to Leshan. Raise ValueError."""
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError("expected header names of RFC 9110")  # a name may contain the intended value
        if name.lower() in _TRANSPORT_HEADERS:
            raise ValueError(f"{name} is set by Reveille itself")
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise ValueError(f"the value of {name} must be printable ASCII (RFC 9110, 5.5)")
    return headers
