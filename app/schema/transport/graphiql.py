"""GraphiQL from local files: Strawberry's page, with every external address replaced by a local one."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from strawberry.http.ides import get_graphql_ide_html

FILES: Final = Path(__file__).parents[2] / "static" / "graphiql"
"""Folder to serve; created by ``make graphiql`` with the layout of the packages."""

ADDRESS: Final = "/static/graphiql"
"""URL path at which the page expects that folder."""

_OUTSIDE: Final = re.compile(r"https://[^/\"']+/(?P<package>(?:@[\w-]+/)?[\w.-]+)@[\w.-]+/(?P<file>[^\"']+)")
_CROSS_ORIGIN: Final = re.compile(r"\n\s*crossorigin\b")

_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def graphiql_policy(page: str) -> str:
    """Return the page's Content-Security-Policy: resources of this origin only, and the page's inline scripts by hash.

    Inline styles are allowed because GraphiQL's editor needs them.
    """
    hashes = (b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE_SCRIPT.findall(page))
    return _POLICY.format(scripts=" ".join(f"'sha256-{hash_}'" for hash_ in hashes))


def graphiql_page(address: str = ADDRESS) -> str:
    """Return the page without external addresses. It keeps Strawberry's integrity hashes, which the local files match.

    Raises:
        RuntimeError: Strawberry's page has changed and contains an external address that is not replaced.
    """
    page = _OUTSIDE.sub(rf"{address}/\g<package>/\g<file>", get_graphql_ide_html("graphiql"))
    page = _CROSS_ORIGIN.sub("", page).replace(
        "<title>Strawberry GraphiQL</title>", "<title>Reveille: GraphiQL</title>"
    )
    if re.search(r"(?:src|href)=\"https?:", page):
        raise RuntimeError("Strawberry's GraphiQL page has an outside address that is not replaced")
    return page
