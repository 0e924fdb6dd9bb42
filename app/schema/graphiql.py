"""GraphiQL from files of our own: Strawberry's page, with every outside address replaced by one of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from strawberry.http.ides import get_graphql_ide_html

FILES: Final = Path(__file__).parents[1] / "static" / "graphiql"
"""The folder to serve; made by ``make graphiql``, laid out as the packages are."""

ADDRESS: Final = "/static/graphiql"
"""Where the page expects that folder."""

_OUTSIDE: Final = re.compile(r"https://[^/\"']+/(?P<package>(?:@[\w-]+/)?[\w.-]+)@[\w.-]+/(?P<file>[^\"']+)")
_CROSS_ORIGIN: Final = re.compile(r"\n\s*crossorigin\b")


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
