"""Keep the table of roles and fields in `docs/access.md` equal to the schema: write it, or with `--check` only compare.

The table is between the lines `<!-- roles -->` and `<!-- /roles -->`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from graphql import GraphQLField, GraphQLObjectType

from app.schema.api.fields import role_of
from app.schema.execution.schema import schema
from app.security import Role
from tools.pages import with_table, write_or_check

PAGE: Final = Path(__file__).parents[1] / "docs/access.md"


def fields_of_roots() -> Iterator[tuple[str, str, GraphQLField]]:
    """Yield type and name of each field of the three root types, by type and name."""
    built = schema.graphql_schema
    for root in (built.query_type, built.mutation_type, built.subscription_type):
        if root is not None:
            yield from ((root.name, name, field) for name, field in sorted(root.fields.items()))


def fields_of_objects() -> Iterator[tuple[str, str, GraphQLField]]:
    """Yield type and name of each field of the other object types."""
    built = schema.graphql_schema
    roots = {built.query_type, built.mutation_type, built.subscription_type}
    for type_ in built.type_map.values():
        if isinstance(type_, GraphQLObjectType) and type_ not in roots and not type_.name.startswith("__"):
            yield from ((type_.name, name, field) for name, field in type_.fields.items())


def access_table() -> str:
    """Return the table in Markdown: one row per field, one column per role."""
    roles = tuple(Role)
    head = ["| Type | Field |" + "".join(f" {role.name} |" for role in roles), "|---|---|" + "---|" * len(roles)]
    rows = []
    for type_name, name, field in fields_of_roots():
        marks = "".join(" yes |" if role.rank >= role_of(field).rank else " |" for role in roles)
        rows.append(f"| {type_name} | `{name}` |{marks}")
    return "\n".join([*head, *rows])


def filled(text: str) -> str:
    """Return the text of the page with its table replaced by the current one. Raises as :func:`with_table` does."""
    return with_table(text, "roles", access_table())


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, filled))
