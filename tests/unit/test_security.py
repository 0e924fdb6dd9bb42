"""Roles, tokens and the addresses that count as this machine."""

from __future__ import annotations

import pytest

from app.security import (
    Role,
    Viewer,
    bearer_token,
    find_viewer,
    is_loopback,
    parse_access,
    same_secret,
)

ACCESSES = parse_access("eve:viewer:aaaaaaaaaaaaaaaa,joe:operator:bbbbbbbbbbbbbbbb")


def test_an_operator_has_the_rights_of_a_viewer() -> None:
    joe, eve = Viewer("joe", Role.OPERATOR), Viewer("eve", Role.VIEWER)
    assert joe.may(Role.VIEWER)
    assert joe.may(Role.OPERATOR)
    assert eve.may(Role.VIEWER)
    assert not eve.may(Role.OPERATOR)


def test_a_token_finds_its_viewer_and_no_other() -> None:
    assert find_viewer(ACCESSES, "bbbbbbbbbbbbbbbb") == Viewer("joe", Role.OPERATOR)
    assert find_viewer(ACCESSES, "aaaaaaaaaaaaaaaa") == Viewer("eve", Role.VIEWER)
    for wrong in (None, "", "aaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbb", "ääääääää"):
        assert find_viewer(ACCESSES, wrong) is None


def test_secrets_of_any_text_are_compared() -> None:
    assert same_secret("ä", "ä")
    assert not same_secret("ä", "a")


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("Bearer ", None), ("", None), (None, None)],
)
def test_bearer_tokens(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        (None, True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback(host: str | None, here: bool) -> None:
    assert is_loopback(host) is here
