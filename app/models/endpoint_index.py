"""The tables by which endpoints are found by tag and by registered object, in the order of their names.

Both repeat what the rows of the endpoints contain: the ledger writes a row of theirs together with the endpoint's.
``endpoint_tag.overdue`` is the endpoint's own, so that a page of a tag's overdue endpoints is a range of one index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.domain.object_models import object_versions
from app.models.fields import load_json

TAGS: Final = "endpoint_tag"
OBJECTS: Final = "endpoint_object"

MAX_TAGS: Final = 50
"""Maximum number of tags of an endpoint."""


def tags_of(tags: str | None) -> list[str]:
    """Return the tags of an endpoint, sorted, from its column."""
    return load_json(tags) or []


def object_ids(object_links: str | None) -> set[int]:
    """Return the ids of the objects in the object links of a registration."""
    return set(object_versions(load_json(object_links), None)) if object_links is not None else set()


READ_OBJECTS: Final = """
    SELECT id, name, object_links FROM endpoint WHERE id > $1 AND object_links IS NOT NULL ORDER BY id LIMIT 1000
"""
FILL_OBJECTS: Final = (
    "INSERT INTO endpoint_object (endpoint_id, object_id, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
"""These two statements fill the table for endpoints that registered before it existed."""


def fill_rows(endpoints: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the rows of ``endpoint_object`` for endpoints from ``READ_OBJECTS``."""
    return [[e["id"], object_id, e["name"]] for e in endpoints for object_id in sorted(object_ids(e["object_links"]))]
