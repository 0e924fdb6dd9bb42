"""Keep the README's table of settings equal to the settings: write it, or with `--check` only compare.

The table is between the lines `<!-- settings -->` and `<!-- /settings -->`.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Final

from app.secret_settings import SECRETS
from app.settings import Settings, variable
from tools.pages import with_table, write_or_check

README: Final = Path(__file__).parents[1] / "README.md"


def settings_table() -> str:
    """Return the README's table in Markdown: one row per setting, in the order of the fields."""
    default = Settings()
    rows = [
        f"| {_names(field.name)} | {_default(getattr(default, field.name))} | {field.metadata['description']} |"
        for field in fields(Settings)
    ]
    return "\n".join(["| Setting | Default | Description |", "|---|---|---|", *rows])


def _names(name: str) -> str:
    """Return the variables of a setting: a secret may also be read from a file."""
    return f"`{variable(name)}` or `.._FILE`" if name in SECRETS else f"`{variable(name)}`"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if value in (None, (), {}) else f"`{value}`"


def filled(text: str) -> str:
    """Return the README's text with its table replaced by the current one. Raises as :func:`with_table` does."""
    return with_table(text, "settings", settings_table())


if __name__ == "__main__":
    sys.exit(write_or_check(README, filled))
