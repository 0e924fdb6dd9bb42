"""Read a list of the API page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.operator_cli.connection import Api

PAGE: Final = 200


def nodes_of(
    api: Api, document: str, path: Sequence[str], most: int | None = None, **variables: Any
) -> Iterator[dict[str, Any]]:
    """Yield the first nodes of a list, all of them without ``most``. The document has the variables ``$first`` and
    ``$after``; ``path`` are the fields that lead to the list."""
    after, left = None, most
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page: Any = api.execute(document, first=size, after=after, **variables)
        for field in path:
            page = page[field]
        yield from (edge["node"] for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
        left = None if left is None else left - len(page["edges"])
