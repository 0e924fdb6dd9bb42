"""Lock files name versions and hashes, never addresses: take out of npm's what it adds for the curious.

Run by `make graphiql`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parents[1] / "tools/graphiql/package-lock.json"


def main() -> None:
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
