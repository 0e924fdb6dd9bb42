"""The table of roles in docs/access.md is that of the schema."""

from __future__ import annotations

from app.schema.api.fields import role_of
from app.security import Role
from tools.access_table import PAGE, access_table, fields_of_objects, fields_of_roots, filled


def test_the_page_has_the_role_of_every_field() -> None:
    assert filled(PAGE.read_text()) == PAGE.read_text(), "run `make schema`"
    rows = access_table().splitlines()[2:]
    assert len(rows) == len(list(fields_of_roots()))
    assert "| Mutation | `createApiToken` | | | yes |" in rows
    assert "| Mutation | `pauseDispatch` | | yes | yes |" in rows
    assert "| Query | `viewer` | yes | yes | yes |" in rows


def test_fields_of_objects_require_no_further_role() -> None:
    assert {role_of(field) for _, _, field in fields_of_objects()} == {Role.VIEWER}
