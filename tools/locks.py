"""Remove the funding addresses that npm adds to its lock files, which must contain versions and hashes, but no
addresses.

Run by `make lock` and `make graphiql`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = (ROOT / "tools/graphiql/package-lock.json", ROOT / "tests/clients/package-lock.json")


def main() -> None:
    for path in LOCKS:
        lock = json.loads(path.read_text())
        for package in lock["packages"].values():
            package.pop("funding", None)
        path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
