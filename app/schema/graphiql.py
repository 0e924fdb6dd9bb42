"""GraphiQL from files of our own: Strawberry's page, with every outside address replaced by one of ours."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from strawberry.http.ides import get_graphql_ide_html

FILES: Final = Path(__file__).parents[1] / "static" / "graphiql"
"""The folder to serve; made by ``make graphiql``, laid out as the packages are."""

ADDRESS: Final = "/static/graphiql"
"""Where the page expects that folder."""

_OUTSIDE: Final = re.compile(r"https://[^/\"']+/(?P<package>(?:@[\w-]+/)?[\w.-]+)@[\w.-]+/(?P<file>[^\"']+)")
_CROSS_ORIGIN: Final = re.compile(r"\n\s*crossorigin\b")

_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def graphiql_policy(page: str) -> str:
    """Return the page's Content-Security-Policy: this origin alone, and inline only the page's own scripts, by hash.

    GraphiQL's editor sets styles inline, so these are allowed.
    """
    hashes = (b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE_SCRIPT.findall(page))
    return _POLICY.format(scripts=" ".join(f"'sha256-{hash_}'" for hash_ in hashes))


def graphiql_page(address: str = ADDRESS) -> str:
    """The page, asking nobody but us. It keeps Strawberry's integrity hashes, which our files must match.

    Raises:
        RuntimeError: Strawberry's page changed and has an outside address that this module does not know.
    """
    page = _OUTSIDE.sub(rf"{address}/\g<package>/\g<file>", get_graphql_ide_html("graphiql"))
    page = _CROSS_ORIGIN.sub("", page).replace(
        "<title>Strawberry GraphiQL</title>", "<title>Reveille: GraphiQL</title>"
    )
    if re.search(r"(?:src|href)=\"https?:", page):
        raise RuntimeError("Strawberry's GraphiQL page has an outside address that is not replaced")
    return page
