"""An issuer of JWTs in this process: valid ones, and those that a hostile issuer or client would make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "reveille"
JWKS: Final = "http://127.0.0.1:9/jwks"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_MADE: Final[Mapping[str, tuple[Any, Any]]] = {
    "RS256": (lambda: rsa.generate_private_key(65_537, 2048), jwt.algorithms.RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, jwt.algorithms.OKPAlgorithm),
}


def new_key(algorithm: str) -> Any:
    return _MADE[algorithm][0]()


def public_jwk(key: Any, algorithm: str, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public key as a JWKS lists it."""
    described: dict[str, Any] = json.loads(_MADE[algorithm][1].to_jwk(key.public_key()))
    return described | ({} if kid is None else {"kid": kid}) | {"use": "sig"} | more


def claims(**more: Any) -> dict[str, Any]:
    """Return claims of an operator for five minutes; None removes one."""
    now = int(time.time())
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "joe", "iat": now, "exp": now + 300, "roles": ["operator"], **more}
    return {name: value for name, value in made.items() if value is not None}


@dataclass
class Issuer:
    """An issuer whose JWKS is served by :meth:`transport`.

    Attributes:
        keys: algorithm and key by id.
        failing: the JWKS cannot be fetched.
        fetched: number of fetches.
    """

    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    failing: bool = False
    fetched: int = 0

    def add(self, kid: str, algorithm: str = "ES256") -> None:
        self.keys[kid] = algorithm, new_key(algorithm)

    def token(self, kid: str, header: dict[str, Any] | None = None, **more: Any) -> str:
        algorithm, key = self.keys[kid]
        payload = json.dumps(claims(**more)).encode()
        return jwt.PyJWS().encode(payload, key, algorithm, headers={"typ": "JWT", "kid": kid, **(header or {})})

    def jwks(self) -> bytes:
        listed = [public_jwk(key, algorithm, kid) for kid, (algorithm, key) in self.keys.items()]
        return json.dumps({"keys": [*self.extra, *listed]}).encode()

    def transport(self) -> httpx.MockTransport:
        def respond(_request: httpx.Request) -> httpx.Response:
            self.fetched += 1
            if self.failing:
                raise httpx.ConnectError("connection refused")
            return httpx.Response(200, content=streamed(self.jwks()))

        return httpx.MockTransport(respond)


async def streamed(content: bytes) -> AsyncIterator[bytes]:
    yield content


def unsigned(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    """Return a JWT with this header and any signature."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_by_public_key(key: Any, kid: str) -> str:
    """Return a JWT whose HMAC is keyed with the issuer's public key, which everyone knows."""
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = unsigned(header, claims()).rpartition(".")[0]
    return unsigned(header, claims(), hmac.new(public, content.encode(), hashlib.sha256).digest())
