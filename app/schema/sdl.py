"""The schema as text, and how it differs from the text that is kept beside the code."""

from __future__ import annotations

import difflib
from typing import Final

from app.schema.schema import schema

HEADER: Final = "# Written by `reveille schema`. Change app/schema, then run `make schema`.\n\n"


def export() -> str:
    """The whole schema in GraphQL's schema language, with descriptions; ends with a newline."""
    return HEADER + schema.as_str().rstrip() + "\n"


def difference(kept: str) -> str:
    """What ``export`` changes in a kept text, as a unified diff; empty when nothing."""
    lines = difflib.unified_diff(
        kept.splitlines(keepends=True), export().splitlines(keepends=True), "schema.graphql", "app/schema"
    )
    return "".join(lines)
