"""JWTs of an identity provider: valid ones have a viewer, and hostile ones, keys and providers have no effect."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from app.authentication import AuthenticationUnavailable, Authenticator, identity_provider
from app.authentication.authenticator import host_time
from app.authentication.identity_provider import MAX_JWKS, MAX_KEYS, IdentityProvider, ProviderConfig
from app.domain.enums import SECOND
from app.security import Origin, Role
from tests.support.jwts import (
    AUDIENCE,
    ISSUER,
    JWKS,
    Issuer,
    claims,
    new_key,
    public_jwk,
    signed_by_public_key,
    streamed,
    unsigned,
)

pytestmark = pytest.mark.asyncio

CONFIG: Final = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": JWKS}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_provider, "FETCH_PAUSE", 0.0)


@pytest.fixture
def issuer() -> Issuer:
    made = Issuer()
    made.add("a")
    return made


def provider(issuer: Issuer, **config: Any) -> IdentityProvider:
    return IdentityProvider(ProviderConfig(**{**CONFIG, **config}), host_time, issuer.transport())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_each_algorithm_has_its_viewer(algorithm: str) -> None:
    issuer = Issuer()
    issuer.add("k", algorithm)
    end = int(time.time()) + 100
    viewer = await provider(issuer).find(issuer.token("k", exp=end))
    assert viewer is not None
    assert (viewer.name, viewer.role, viewer.expires_at) == ("joe", Role.OPERATOR, end * SECOND)
    assert (viewer.origin, viewer.credential) == (Origin.PROVIDER, "k")
    assert issuer.fetched == 1


@pytest.mark.parametrize(
    "more",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e400},
        {"exp": {}},
        {"exp": timedelta(seconds=-90)},
        {"nbf": timedelta(hours=1)},
        {"iat": "yesterday"},
        {"iss": None},
        {"iss": "https://evil.example"},
        {"iss": [ISSUER]},
        {"aud": None},
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": 7},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "line\nfeed"},
        {"sub": "cli:root"},
        {"roles": None},
        {"roles": []},
        {"roles": ["root"]},
        {"roles": [["admin"]]},
        {"roles": {"admin": True}},
    ],
)
async def test_invalid_claims_have_no_viewer(issuer: Issuer, more: dict[str, Any]) -> None:
    assert await provider(issuer).find(issuer.token("a", **{"nbf": None, **from_now(more)})) is None


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Return the claims with times instead of differences from now: a test may run long after it was collected."""
    now = int(time.time())
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


@pytest.mark.parametrize(
    "more",
    [
        {"aud": ["another", AUDIENCE]},
        {"exp": timedelta(seconds=-30)},
        {"iat": timedelta(seconds=30), "nbf": timedelta(seconds=30)},
        {"exp": 10**15},
        {"roles": "openid viewer operator"},
    ],
    ids=["several audiences", "clock ahead", "clock behind", "very late end", "text"],
)
async def test_clocks_may_differ_by_a_minute(issuer: Issuer, more: dict[str, Any]) -> None:
    viewer = await provider(issuer).find(issuer.token("a", **from_now(more)))
    assert viewer is not None
    assert viewer.role is Role.OPERATOR


async def test_roles_of_a_nested_claim_are_mapped(issuer: Issuer) -> None:
    mapped = {"role_claim": "realm_access.groups", "roles": {"ops": Role.OPERATOR, "root": Role.ADMIN}}
    made = provider(issuer, name_claim="email", **mapped)
    token = issuer.token("a", email="j@x.example", realm_access={"groups": ["x", "root", "ops"]})
    viewer = await made.find(token)
    assert viewer is not None
    assert (viewer.name, viewer.role) == ("j@x.example", Role.ADMIN)
    assert await made.find(issuer.token("a", email="j@x.example", realm_access={"groups": ["admin"]})) is None
    dotted: dict[str, Any] = {"https://x.example/roles": "viewer"}
    found = await provider(issuer, role_claim="https://x.example/roles").find(issuer.token("a", **dotted))
    assert found is not None
    assert found.role is Role.VIEWER


async def test_forged_tokens_have_no_viewer(issuer: Issuer) -> None:
    made = provider(issuer)
    algorithm, key = issuer.keys["a"]
    other = Issuer({"a": (algorithm, new_key(algorithm))})
    header, payload, signature = issuer.token("a").split(".")
    changed = unsigned({}, claims(roles=["admin"])).split(".")[1]
    forged = {
        "none": unsigned({"alg": "none", "kid": "a"}, claims()),
        "None": unsigned({"alg": "None", "kid": "a"}, claims()),
        "public key as secret": signed_by_public_key(key, "a"),
        "another key": other.token("a"),
        "another payload": f"{header}.{changed}.{signature}",
        "no signature": f"{header}.{payload}.",
        "another algorithm": unsigned({"alg": "RS256", "kid": "a"}, claims(), b"x" * 256),
        "unknown algorithm": unsigned({"alg": "ES512", "kid": "a"}, claims(), b"x" * 132),
        "own key in the header": other.token("a", {"jwk": public_jwk(other.keys["a"][1], algorithm, "a")}),
        "address in the header": other.token("a", {"jku": "http://evil.example/jwks", "x5u": "http://evil.example"}),
        "critical extension": issuer.token("a", {"crit": ["exp"], "exp": 1}),
        "number as key id": unsigned({"alg": "ES256", "kid": 7}, claims(), b"x" * 64),
        "list as key id": unsigned({"alg": "ES256", "kid": ["a"]}, claims(), b"x" * 64),
        "list as algorithm": unsigned({"alg": ["ES256"], "kid": "a"}, claims(), b"x" * 64),
        "list as payload": unsigned({"alg": "ES256", "kid": "a"}, [], b"x" * 64),  # type: ignore[arg-type]
        "deep payload": f"{header}.{'W' * 6_000}.{signature}",
        "too long": issuer.token("a", {}, padding="x" * 8_192),
    }
    assert {name: await made.find(token) for name, token in forged.items()} == dict.fromkeys(forged)
    for token in ("", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\x00.\x00.\x00", "." * 8_000, "{}.{}.{}"):
        assert await made.find(token) is None, token


async def test_a_rotated_key_is_fetched_and_a_withdrawn_one_ends_sessions(issuer: Issuer) -> None:
    made = provider(issuer)
    authenticator = Authenticator(provider=made)
    old = issuer.token("a")
    viewer = await authenticator.authenticate(old)
    assert viewer is not None
    ended: list[str] = []
    with authenticator.session(viewer, lambda: ended.append("a")):
        issuer.add("b", "RS256")
        assert await made.find(issuer.token("b")) is not None
        assert await made.find(old) is not None
        assert issuer.fetched == 2
        authenticator.end_sessions()
        assert ended == []
        del issuer.keys["a"]
        await made.refresh()
        assert await made.find(old) is None
        authenticator.end_sessions()
        assert ended == ["a"]


async def test_unknown_keys_cause_few_fetches(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_provider, "FETCH_PAUSE", 0.2)
    made = provider(issuer)
    assert await made.find(issuer.token("a")) is not None
    tokens = [unsigned({"alg": "ES256", "kid": f"k{number}"}, claims(), b"x" * 64) for number in range(500)]
    assert set(await asyncio.gather(*map(made.find, tokens))) == {None}
    assert issuer.fetched == 2


async def test_known_keys_remain_while_the_provider_is_unreachable(issuer: Issuer) -> None:
    made = provider(issuer)
    issuer.failing = True
    with pytest.raises(AuthenticationUnavailable):
        await made.find(issuer.token("a"))
    issuer.failing = False
    assert await made.find(issuer.token("a")) is not None
    issuer.failing = True
    await made.refresh()
    assert await made.find(issuer.token("a")) is not None
    issuer.add("b")
    with pytest.raises(AuthenticationUnavailable):
        await made.find(issuer.token("b"))
    issuer.failing = False
    assert await made.find(issuer.token("b")) is not None


RSA: Final = {"kty": "RSA", "kid": "bad", "e": "AQAB"}


@pytest.mark.parametrize(
    "key",
    [
        None,
        7,
        [],
        {},
        {"kty": "oct", "k": "AAAA", "kid": "a"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "bad"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "bad"},
        {"kty": "EC", "crv": 7, "kid": "bad"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "bad"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "bad"},
        {"kty": ["RSA"], "kid": "bad"},
        {"kty": "RSA", "kid": ["a"], "n": "AQAB", "e": "AQAB"},
        {**RSA, "n": "A" * 100_000},
        {**RSA, "n": "AQAB", "e": "A" * 1_000},
        {**RSA, "n": "", "use": 7},
        {**RSA, "n": "AQAB", "key_ops": 7},
        {**RSA, "n": "AQAB", "alg": "none"},
        {**RSA, "n": "AQAB", "alg": ["RS256"]},
    ],
)
async def test_an_unusable_key_does_not_affect_the_others(issuer: Issuer, key: Any) -> None:
    issuer.extra = [key]
    made = provider(issuer)
    assert await made.find(issuer.token("a")) is not None
    assert await made.find(unsigned({"alg": "RS256", "kid": "bad"}, claims(), b"x")) is None


async def test_keys_for_other_uses_verify_nothing() -> None:
    issuer = Issuer()
    issuer.add("a")
    _, key = issuer.keys["a"]
    token = issuer.token("a")
    for more in ({"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}, {"d": "AA"}):
        listing = json.dumps({"keys": [public_jwk(key, "ES256", "a", **more)]}).encode()
        assert await serving(listing).find(token) is None, more


def serving(content: bytes | AsyncIterator[bytes], status: int = 200, **headers: str) -> IdentityProvider:
    def respond(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            status, content=streamed(content) if isinstance(content, bytes) else content, headers=headers
        )

    return IdentityProvider(ProviderConfig(**CONFIG), host_time, httpx.MockTransport(respond))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"<html>",
        b'{"keys": {}}',
        b'{"keys": "a"}',
        b"\x1f\x8b" * 100,
        b"[" * 100_000,
        b'{"keys": [' + b"7," * MAX_KEYS + b"7]}",
        b" " * (MAX_JWKS + 1),
    ],
    ids=lambda content: repr(content[:20]),
)
async def test_an_unusable_jwks_is_a_failed_fetch(issuer: Issuer, content: bytes) -> None:
    with pytest.raises(AuthenticationUnavailable):
        await serving(content).find(issuer.token("a"))


async def test_a_redirection_is_not_followed(issuer: Issuer) -> None:
    with pytest.raises(AuthenticationUnavailable):
        await serving(issuer.jwks(), 302, location="http://evil.example").find(issuer.token("a"))


async def test_an_endless_jwks_ends_by_its_size_and_a_slow_one_by_time(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 10_000

    async def slow() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    with pytest.raises(AuthenticationUnavailable):
        await serving(endless()).find(issuer.token("a"))
    assert sent <= MAX_JWKS // 10_000 + 2
    monkeypatch.setattr(identity_provider, "FETCH_SECONDS", 0.1)
    with pytest.raises(AuthenticationUnavailable):
        await serving(slow()).find(issuer.token("a"))
