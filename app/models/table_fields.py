"""The column types of the declared tables, beside Tortoise's own (:mod:`app.models.fields`)."""

from __future__ import annotations

from typing import Any

from tortoise import fields
from tortoise.models import Model

from app.models.fields import dump_json, load_json


class JsonField(fields.TextField):
    """Any JSON value in a TEXT column."""

    def to_python_value(self, value: Any) -> Any:
        return load_json(value) if isinstance(value, str) else value

    def to_db_value(self, value: Any, instance: type[Model] | Model) -> Any:  # noqa: ARG002 - Tortoise's signature
        return dump_json(value)


class InstantField(fields.BigIntField):
    """A point in time as :data:`app.domain.enums.Instant`: microseconds since the epoch, UTC, in a BIGINT."""
