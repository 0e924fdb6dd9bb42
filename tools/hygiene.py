"""Find content that no tracked file may contain: an address of a package registry, or a path of a developer's machine.

Part of `make check`; exits with 1 and prints one line per finding.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

_HOSTS: Final = "|".join(
    rf"{host}\.{domain}"
    for host, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "(?:org|com)"),
        ("yarnpkg", "com"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        (r"repo\d?\.maven", r"(?:apache\.)?org"),  # not maven.apache.org, the name of a POM's XML namespace
    )
)
RULES: Final = {
    "the address of a package registry": re.compile(rf"\b(?:{_HOSTS})\b"),
    "a path of one machine": re.compile(r"(?:^|[^A-Za-z0-9_.}])/(?:work|root|farm|home|Users)/[A-Za-z0-9_.]"),
}
LOCK_RULE: Final = ("an address in a lock file", re.compile(r"://"))
LOCK_FILES: Final = ("requirements*.txt", "*.lock", "*package-lock.json")
VENDORED: Final = "app/static/graphiql/"
"""Unmodified third-party files: the page's integrity hashes fix every byte (``tests/unit/test_graphiql.py``)."""


def findings() -> Iterator[str]:
    """Yield one line per finding: file, line number, and the problem."""
    for file in tracked_files():
        text = (ROOT / file).read_bytes()
        if b"\0" in text:
            continue
        rules = dict(RULES)
        if any(Path(file).match(pattern) for pattern in LOCK_FILES):
            rules.update([LOCK_RULE])
        for number, line in enumerate(text.decode(errors="replace").splitlines(), start=1):
            for what, pattern in rules.items():
                if pattern.search(line):
                    yield f"{file}:{number}: {what}"


def tracked_files() -> list[str]:
    """Return our own files that git tracks, without those just deleted."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [
        name for name in listed.stdout.split("\0") if name and not name.startswith(VENDORED) and (ROOT / name).is_file()
    ]


def main() -> int:
    found = list(findings())
    print("\n".join(found) or "no addresses, no machine paths")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
