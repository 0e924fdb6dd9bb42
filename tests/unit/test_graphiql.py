"""GraphiQL works without a network: each file that its page requests is ours, and is the file that Strawberry
specifies."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from app.schema.transport import graphiql

ASSETS = re.findall(r"(?:src|href)=\"(/[^\"]+)\"\s+integrity=\"sha384-([^\"]+)\"", graphiql.graphiql_page())


def test_the_page_requests_no_other_host() -> None:
    assert not re.findall(r"(?:src|href)=\"(?!/static/graphiql/|data:)[^\"]*", graphiql.graphiql_page())
    assert len(ASSETS) == 7


@pytest.mark.parametrize(("address", "integrity"), ASSETS)
def test_every_file_is_the_one_that_the_page_names(address: str, integrity: str) -> None:
    content = (graphiql.FILES / address.removeprefix(graphiql.ADDRESS + "/")).read_bytes()
    assert base64.b64encode(hashlib.sha384(content).digest()).decode() == integrity


def test_the_policy_allows_only_the_pages_own_scripts() -> None:
    page = graphiql.graphiql_page()
    policy = dict(part.strip().split(" ", 1) for part in graphiql.graphiql_policy(page).split(";"))
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert hashes
    assert policy["script-src"] == " ".join(["'self'", *(f"'sha256-{hash_}'" for hash_ in hashes)])
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")


def test_a_page_with_an_unknown_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphiql, "get_graphql_ide_html", lambda _: '<script src="https://example.org/new.js">')
    with pytest.raises(RuntimeError, match="outside address"):
        graphiql.graphiql_page()
