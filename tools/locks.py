"""Remove the funding addresses that npm adds to its lock files, which must contain versions and hashes, but no
addresses.

Run by `make lock` and `make graphiql`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("tools/graphiql", "tests/clients", "frontend-examples/dashboard")


def main() -> None:
    for path in (ROOT / folder / "package-lock.json" for folder in FOLDERS):
        lock = json.loads(path.read_text())
        for package in lock["packages"].values():
            package.pop("funding", None)
        path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
