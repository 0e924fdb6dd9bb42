"""Copy GraphiQL's built files, with the licenses of all packages built into them, to the folder that Reveille serves.

Run by `make graphiql` after `npm ci` in tools/graphiql. A file keeps its path within its package
(``react/umd/react.production.min.js``), so that the page's addresses can be mapped without a table.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ROOT / "tools/graphiql/node_modules"
TARGET: Final = ROOT / "app/static/graphiql"
FILES: Final = (
    "@graphiql/plugin-explorer/dist/index.umd.js",
    "@graphiql/plugin-explorer/dist/style.css",
    "graphiql/graphiql.min.css",
    "graphiql/graphiql.min.js",
    "js-cookie/dist/js.cookie.min.js",
    "react/umd/react.production.min.js",
    "react-dom/umd/react-dom.production.min.js",
)


def main() -> None:
    shutil.rmtree(TARGET, ignore_errors=True)
    for file in FILES:
        target = TARGET / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGES / file, target)
    (TARGET / "LICENSES.txt").write_text("\n".join(sorted(licences())))


def licences() -> Iterator[str]:
    """Yield one entry per installed package: any of them may be part of the built files."""
    for manifest in PACKAGES.rglob("package.json"):
        package = json.loads(manifest.read_text())
        if not {"name", "version", "license"} <= package.keys():
            continue
        texts = sorted(manifest.parent.glob("LICEN[CS]E*"))
        body = texts[0].read_text().strip() if texts else "(no licence text in the package)"
        yield f"=== {package['name']} {package['version']}: {package['license']}\n\n{body}\n"


if __name__ == "__main__":
    main()
