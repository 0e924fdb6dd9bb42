"""Export of the schema as text, and its difference from the file in the repository."""

from __future__ import annotations

import difflib
from typing import Final

from app.schema.execution.schema import schema

HEADER: Final = "# Written by `reveille schema`. Change app/schema, then run `make schema`.\n\n"


def export() -> str:
    """Return the schema in GraphQL's schema definition language, with descriptions and a final newline."""
    return HEADER + schema.as_str().rstrip() + "\n"


def difference(kept: str) -> str:
    """Return a unified diff from the text of the file to that of :func:`export`; empty if they are equal."""
    lines = difflib.unified_diff(
        kept.splitlines(keepends=True), export().splitlines(keepends=True), "schema.graphql", "app/schema"
    )
    return "".join(lines)
