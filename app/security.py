"""Who may do what: two roles, tokens compared in constant time, and what "only this machine" means.

Nothing here reads a request: the HTTP surface hands over the token or the address it found.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

MIN_TOKEN_LENGTH: Final = 16
MAX_NAME_LENGTH: Final = 255
"""It is stored with everything that its bearer asks for (`createdBy`)."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""The characters that RFC 6750 allows in a bearer token: no comma, so that entries can be listed."""

_OF_PROXIES: Final = re.compile(r"x-forwarded-|(?:forwarded|x-real-ip|via)\Z")
"""Headers that proxies add."""


class Role(StrEnum):
    """What a viewer may do: a viewer reads, an operator also acts on devices. Each may all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"

    @property
    def rank(self) -> int:
        return tuple(Role).index(self)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever asks: the name for logs and for `createdBy`, the role for permission checks."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this viewer's role is at least the given one."""
        return self.role.rank >= role.rank


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of REVEILLE_AUTH."""

    name: str
    role: Role
    token: str = field(repr=False)


OPEN_VIEWER: Final = Viewer("anonymous", Role.OPERATOR)
"""Everybody, where no tokens are set: then only loopback is served, unless REVEILLE_ALLOW_OPEN says otherwise."""


def parse_token(text: str) -> str:
    """Check one secret token.

    Raises:
        ValueError: too short, or with characters that no bearer token may have. The message never holds the token.
    """
    if len(text) < MIN_TOKEN_LENGTH:
        raise ValueError(f"a token has at least {MIN_TOKEN_LENGTH} characters")
    if not _TOKEN.fullmatch(text):
        raise ValueError("a token is made of letters, digits and . _ ~ + / = -")
    return text


def parse_access(text: str) -> tuple[Access, ...]:
    """Read ``name:role:token`` entries, separated by commas.

    Raises:
        ValueError: an entry of another form, an unknown role, a weak or repeated token. No message holds a token.
    """
    entries = tuple(
        _entry(part.strip(), number) for number, part in enumerate(text.split(","), start=1) if part.strip()
    )
    if len({entry.token for entry in entries}) < len(entries):
        raise ValueError("two entries have the same token")
    return entries


def _entry(text: str, number: int) -> Access:
    name, _, rest = text.partition(":")
    role, _, token = rest.partition(":")
    if not (name and role and token):
        raise ValueError(f"entry {number} is not of the form name:role:token")
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(f"entry {number}: a name has at most {MAX_NAME_LENGTH} characters, all of them printable")
    if role not in tuple(Role):
        raise ValueError(f"entry {number} has an unknown role: viewer or operator is expected")
    try:
        return Access(name, Role(role), parse_token(token))
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from None


def find_viewer(accesses: Iterable[Access], token: str | None) -> Viewer | None:
    """The viewer a token belongs to; None for a missing or an unknown one.

    Every entry is compared in constant time and none is skipped, so the time taken says nothing about the tokens.
    """
    given = (token or "").encode()
    found: Viewer | None = None
    for access in accesses:
        if hmac.compare_digest(access.token.encode(), given):
            found = Viewer(access.name, access.role)
    return found


def same_secret(expected: str, given: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())


def bearer_token(authorization: str | None) -> str | None:
    """The token of an ``Authorization: Bearer ...`` header; None where there is none (RFC 6750, 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


@lru_cache(maxsize=64)
def is_loopback(host: str | None) -> bool:
    """Whether an address or host name means this machine. A missing one (a Unix socket) does."""
    if host is None or host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_direct_loopback(host: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request from this address comes from this machine itself, and not through a proxy on it.

    Args:
        headers: of the request, with names in lower case. A proxy that adds none cannot be told from a client.
    """
    return is_loopback(host) and not any(map(_OF_PROXIES.match, headers))
