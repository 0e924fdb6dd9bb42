"""Keep the README's table of settings equal to the settings: write it, or with `--check` only compare.

The table is between the lines `<!-- settings -->` and `<!-- /settings -->`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from app.secret_settings import SECRETS
from app.settings import Settings, variable
from tools.pages import with_table, write_or_check

README: Final = Path(__file__).parents[1] / "README.md"


def settings_table() -> str:
    """Return the README's table in Markdown: one row per setting, in the order of the fields."""
    fields = Settings.model_fields.items()
    rows = [f"| {_names(name)} | {_default(field)} | {field.description} |" for name, field in fields]
    return "\n".join(["| Setting | Default | Description |", "|---|---|---|", *rows])


def _names(name: str) -> str:
    """Return the variables of a setting: a secret may also be read from a file."""
    return f"`{variable(name)}` or `.._FILE`" if name in SECRETS else f"`{variable(name)}`"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if value in (None, (), {}) else f"`{value}`"


def filled(text: str) -> str:
    """Return the README's text with its table replaced by the current one. Raises as :func:`with_table` does."""
    return with_table(text, "settings", settings_table())


if __name__ == "__main__":
    sys.exit(write_or_check(README, filled))
