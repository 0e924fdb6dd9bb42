"""Tables in pages that are made from the code: between the lines ``<!-- NAME -->`` and ``<!-- /NAME -->``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path


def with_table(text: str, name: str, table: str) -> str:
    """Return the text of a page with the table of this name replaced.

    Raises:
        ValueError: the text has no such table, or more than one.
    """
    pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    new, tables = pattern.subn(lambda _: f"\n{table}\n\n", text)
    if tables != 1:
        raise ValueError(f"Invalid page; exactly one table of {name} is expected.")
    return new


def write_or_check(page: Path, filled: Callable[[str], str]) -> int:
    """Write a page with its current tables, or with the argument ``--check`` only compare; return the exit code."""
    text = page.read_text()
    new = filled(text)
    if "--check" not in sys.argv[1:]:
        page.write_text(new)
    elif new != text:
        print(f"{page.name}: the tables are out of date; run `make schema`")
        return 1
    return 0
