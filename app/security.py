"""Authorization: roles, tokens compared in constant time, and the meaning of "only this machine".

No function here reads a request: the HTTP layer passes the token or the address in.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

MIN_TOKEN_LENGTH: Final = 16
MAX_NAME_LENGTH: Final = 255
"""The name is stored with everything that its bearer requests (`createdBy`)."""
COMMAND_PREFIX: Final = "cli:"
"""Prefix of the names under which the audit lists commands; no credential may have such a name."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""The characters that RFC 6750 allows in a bearer token: no comma, so that entries can be listed."""

_OF_PROXIES: Final = re.compile(r"x-forwarded-|(?:forwarded|x-real-ip|via)\Z")
"""Headers that proxies add."""


class Role(StrEnum):
    """The role of a viewer: a VIEWER reads, an OPERATOR also acts on devices, an ADMIN also manages access. Each role
    includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return tuple(Role).index(self)


class Origin(StrEnum):
    """The source of a viewer's rights: no credential where access is open, an entry of REVEILLE_AUTH, a token of the
    database, or a JWT of the identity provider."""

    OPEN = "open"
    SETTINGS = "settings"
    TOKEN = "token"  # noqa: S105 - not a password
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller, as its credential states it.

    Attributes:
        name: for logs, `createdBy` and the audit.
        role: for permission checks.
        expires_at: when the credential ends, in microseconds since 1970; None if it does not.
        credential: id of the token, or of the key that signed the JWT; None for other origins.
    """

    name: str
    role: Role
    expires_at: int | None = None
    origin: Origin = Origin.SETTINGS
    credential: int | str | None = None

    def may(self, role: Role) -> bool:
        """Return whether this viewer's role is at least the given one."""
        return self.role.rank >= role.rank


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of REVEILLE_AUTH."""

    name: str
    role: Role
    token: str = field(repr=False)


OPEN_VIEWER: Final = Viewer("anonymous", Role.ADMIN, origin=Origin.OPEN)
"""Every caller while access is open: then only loopback is served, unless REVEILLE_ALLOW_OPEN permits more."""


def parse_token(text: str) -> str:
    """Validate and return one secret token.

    Raises:
        ValueError: the token is too short, or has characters that no bearer token may have. The message never contains
            it.
    """
    if len(text) < MIN_TOKEN_LENGTH:
        raise ValueError(f"token too short; expected at least {MIN_TOKEN_LENGTH} characters")
    if not _TOKEN.fullmatch(text):
        raise ValueError("invalid character in a token; expected letters, digits and . _ ~ + / = -")
    return text


def parse_access(text: str) -> tuple[Access, ...]:
    """Parse ``name:role:token`` entries, separated by commas.

    Raises:
        ValueError: an entry has another form, an unknown role, or a weak or repeated token. No message contains a
            token.
    """
    entries = tuple(
        _entry(part.strip(), number) for number, part in enumerate(text.split(","), start=1) if part.strip()
    )
    if len({entry.token for entry in entries}) < len(entries):
        raise ValueError("duplicate token; expected a different one in each entry")
    return entries


def _entry(text: str, number: int) -> Access:
    name, _, rest = text.partition(":")
    role, _, token = rest.partition(":")
    if not (name and role and token):
        raise ValueError(f"entry {number}: expected name:role:token")
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(f"entry {number}: invalid name; expected at most {MAX_NAME_LENGTH} printable characters")
    if role not in tuple(Role):
        raise ValueError(f"entry {number}: unknown role; expected viewer, operator or admin")
    try:
        return Access(name, Role(role), parse_token(token))
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from None


def find_viewer(accesses: Iterable[Access], token: str | None) -> Viewer | None:
    """Return the viewer that a token belongs to, or None if the token is missing or unknown.

    Every entry is compared in constant time and none is skipped, so the time taken reveals nothing about the tokens.
    """
    given = (token or "").encode()
    found: Viewer | None = None
    for access in accesses:
        if hmac.compare_digest(access.token.encode(), given):
            found = Viewer(access.name, access.role)
    return found


SECRET_PREFIX: Final = "rvl_"  # noqa: S105 - no secret
"""Prefix of the secrets of API tokens, by which programs recognize leaked ones."""
_SECRET: Final = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


def new_secret() -> str:
    """Return a new secret of an API token: 256 random bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str | None:
    """Return the hash by which an API token is stored; None if the text is not the secret of one.

    It is a plain SHA-256: a random secret of 256 bits cannot be guessed from it, with or without a salt, and a look-up
    by a hash reveals nothing by its time.
    """
    return hashlib.sha256(secret.encode()).hexdigest() if _SECRET.fullmatch(secret) else None


def same_secret(expected: str, given: str) -> bool:
    """Return whether two secrets are equal, in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())


def is_usable_name(name: str) -> bool:
    """Return whether a credential may have this name: printable, not too long, and not that of a command."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and not name.startswith(COMMAND_PREFIX)


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization: Bearer ...`` header, or None if there is none (RFC 6750, 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


@lru_cache(maxsize=64)
def is_loopback(host: str | None) -> bool:
    """Return whether an address or host name means this machine. A missing one (a Unix socket) does."""
    if host is None or host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_direct_loopback(host: str | None, headers: Mapping[str, str]) -> bool:
    """Return whether a request from this address comes from this machine itself, and not through a proxy on it.

    Args:
        headers: headers of the request, with names in lower case. A proxy that adds none cannot be distinguished from a
            client.
    """
    return is_loopback(host) and not any(map(_OF_PROXIES.match, headers))
