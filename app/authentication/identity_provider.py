"""JWTs of an identity provider (RFC 7519, RFC 9068), verified by the keys of its JWKS (RFC 7517).

All work for a token is bounded before its signature is verified. The keys are fetched in the background; while the
provider is unreachable, the known ones remain valid.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import orjson
import structlog

from app.authentication.shared_refresh import SharedRefresh
from app.authentication.unavailable import AuthenticationUnavailable
from app.domain.enums import SECOND, Instant
from app.security import MAX_NAME_LENGTH, Origin, Role, Viewer, is_loopback, is_usable_name

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
MAX_TOKEN: Final = 8_192
"""Maximum length of a JWT in characters."""
MAX_KEY_ID: Final = 255
SKEW_SECONDS: Final = 60
"""Maximum difference of the clocks: a token is accepted so long before ``nbf`` and after ``exp``."""
MAX_EXPIRY: Final = 253_402_300_799
"""The end of the year 9999 in seconds."""

MAX_JWKS: Final = 262_144
"""Maximum bytes of a JWKS."""
MAX_KEYS: Final = 100
MAX_MODULUS: Final = 1_366
"""Maximum length of an RSA modulus in base64url: 8,192 bits."""
MAX_EXPONENT: Final = 8
"""Maximum length of an RSA exponent in base64url; a large one makes a verification slow."""
FETCH_SECONDS: Final = 5.0
"""Time for a complete JWKS."""
FETCH_PAUSE: Final = 5.0
"""Minimum seconds between fetches because of unknown keys: any caller can send one."""
REFRESH_SECONDS: Final = 300.0
"""Interval in which keys that the provider has withdrawn are found."""
RETRY_SECONDS: Final = 10.0
"""The same after a failure."""

_OPTIONS: Final[dict[str, Any]] = {"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True}
_INVALID: Final = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class JwksError(Exception):
    """The JWKS could not be fetched, or it is no usable one."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """An identity provider.

    Attributes:
        jwks: address of its keys.
        role_claim: claim with the roles, a text or a list; with dots it may be the path of a nested one.
        roles: role by value of that claim; empty: the values are the names of the roles.
        name_claim: claim with the viewer's name.
    """

    issuer: str
    audience: str
    jwks: str
    role_claim: str = "roles"
    roles: Mapping[str, Role] = field(default_factory=dict)
    name_claim: str = "sub"


class IdentityProvider:
    """The keys of an identity provider, and the viewers of its tokens."""

    def __init__(
        self, config: ProviderConfig, clock: Callable[[], Instant], transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._config, self._clock, self._transport = config, clock, transport
        self._local = is_loopback(urlsplit(config.jwks).hostname)  # a system-wide proxy has no route to this machine
        # to read all certificate authorities takes 40 ms
        is_plain = config.jwks.startswith("http:")
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else ssl.create_default_context()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fresh = False
        self._fetch = SharedRefresh(self.refresh, FETCH_PAUSE)

    async def find(self, token: str) -> Viewer | None:
        """Return the viewer of a JWT; None if it is no valid one, or if none of its roles is known.

        Raises:
            AuthenticationUnavailable: its key is not known, and the keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except _INVALID:
            return None
        kid = header.get("kid", "")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or len(kid) > MAX_KEY_ID:
            return None
        if kid not in self._keys:
            await self._fetch.wait()
        key = self._keys.get(kid)
        if key is None:
            if not self._fresh:
                raise AuthenticationUnavailable("the keys of the identity provider cannot be fetched")
            return None
        try:
            claims = self._verified(token, key)
            viewer = self._viewer(claims, kid)
        except _INVALID as error:
            log.debug("jwt_refused", reason=str(error)[:200])
            return None
        if viewer is None:
            log.debug("jwt_refused", reason="no usable name, or no known role")
        return viewer

    def has_key(self, kid: object) -> bool:
        """Return whether the provider has not withdrawn a key, as far as known."""
        return kid in self._keys

    async def run(self) -> None:
        """Refresh the keys forever."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS if self._fresh else RETRY_SECONDS)

    async def refresh(self) -> None:
        """Fetch the keys. If that fails, the known ones remain."""
        try:
            self._keys = _keys_of(await self._fetched())
            self._fresh = True
        except JwksError as error:
            log.warning("jwks_not_fetched", address=self._config.jwks, reason=str(error), keys=len(self._keys))
            self._fresh = False

    async def _fetched(self) -> bytes:
        client = httpx.AsyncClient(
            transport=self._transport,
            timeout=FETCH_SECONDS,
            headers={"accept": "application/json", "accept-encoding": "identity"},
            trust_env=not self._local,
            verify=self._tls,
        )
        body = bytearray()
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                client,
                client.stream("GET", self._config.jwks) as response,
            ):
                if response.status_code != 200:
                    raise JwksError(f"status {response.status_code}; 200 is expected")
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_JWKS:
                        raise JwksError(f"more than {MAX_JWKS} bytes")
        except TimeoutError:
            raise JwksError(f"no complete response within {FETCH_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise JwksError(str(error) or type(error).__name__) from None
        return bytes(body)

    def _verified(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._config.audience,
            issuer=self._config.issuer,
            leeway=SKEW_SECONDS,
            options=_OPTIONS,  # type: ignore[arg-type]
        )

    def _viewer(self, claims: Mapping[str, Any], kid: str) -> Viewer | None:
        name = claims.get(self._config.name_claim)
        role = self._role(_claim(claims, self._config.role_claim))
        if role is None or not isinstance(name, str) or not is_usable_name(name[:MAX_NAME_LENGTH]):
            return None
        expires_at = min(int(claims["exp"]), MAX_EXPIRY) * SECOND
        return Viewer(name[:MAX_NAME_LENGTH], role, expires_at, Origin.PROVIDER, kid)

    def _role(self, given: Any) -> Role | None:
        """Return the highest role that the claim's values are mapped to."""
        values = given.split() if isinstance(given, str) else given
        if not isinstance(values, list):
            return None
        known = self._config.roles or {role.value: role for role in Role}
        roles = [known[value] for value in values if isinstance(value, str) and value in known]
        return max(roles, key=lambda role: role.rank, default=None)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by the path of a nested one such as ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _keys_of(body: bytes) -> dict[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS by their ids; one without an id has the empty one.

    Raises:
        JwksError: it is no JWKS, or has too many keys.
    """
    try:
        listed = orjson.loads(body)["keys"]
    except (ValueError, TypeError, KeyError):
        raise JwksError("invalid JWKS; an object with a list `keys` is expected") from None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise JwksError(f"invalid JWKS; a list of at most {MAX_KEYS} keys is expected")
    found: dict[str, jwt.PyJWK] = {}
    for given in listed:
        key = _key(given) if isinstance(given, dict) else None
        kid = given.get("kid", "") if isinstance(given, dict) else None
        if key is not None and isinstance(kid, str) and len(kid) <= MAX_KEY_ID:
            found[kid] = key
    return found


def _key(given: Mapping[str, Any]) -> jwt.PyJWK | None:
    """Return a public key for verification by one of :data:`ALGORITHMS`; None for any other one."""
    if given.get("use", "sig") != "sig" or "verify" not in _list(given.get("key_ops", ["verify"])) or "d" in given:
        return None
    if len(str(given.get("n", ""))) > MAX_MODULUS or len(str(given.get("e", ""))) > MAX_EXPONENT:
        return None
    try:
        key = jwt.PyJWK.from_dict(dict(given))
    except Exception as error:  # whatever an invalid key causes must not affect the others
        log.debug("jwk_not_usable", reason=str(error)[:200])
        return None
    return key if key.algorithm_name in ALGORITHMS else None


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
