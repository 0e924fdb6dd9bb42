"""Collect the documents of the web page, the Python example and the operator commands into
``frontend-examples/trusted-documents``, or with `--check` only compare.

Each file is an object of documents by the SHA-256 of their text.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graphql import GraphQLError, OperationDefinitionNode, parse

from app.operator_cli import documents, fleet_documents, watching
from app.schema.trusted_documents import sha256

EXAMPLES: Final = Path(__file__).parents[1] / "frontend-examples"
FOLDER: Final = EXAMPLES / "trusted-documents"

_CONSTANT: Final = re.compile(r"^(?:export )?const (\w+) = `(.*?)`;$", re.MULTILINE | re.DOTALL)


def of_the_page() -> list[str]:
    """Return the template literals of documents.js, with the constants that they contain."""
    values: dict[str, str] = {}
    for name, text in _CONSTANT.findall((EXAMPLES / "plain-html" / "documents.js").read_text()):
        values[name] = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)
    return _executable(values.values())


def of_the_python_client() -> list[str]:
    module = ast.parse((EXAMPLES / "python-client" / "create_and_wait.py").read_text())
    return _executable(
        one.value.value
        for one in module.body
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
    )


def of_the_operator_commands() -> list[str]:
    modules = documents, fleet_documents
    texts = [value for module in modules for value in vars(module).values() if isinstance(value, str)]
    for wanted in (documents.EVERYTHING, documents.WITH_LAST_STEP):
        texts += [documents.some(count, wanted) for count in range(1, watching.CHUNK + 1)]
    return _executable(texts)


def _executable(texts: Iterable[str]) -> list[str]:
    """Return the texts that are documents with an operation, and not fragments or parts."""
    found = []
    for text in texts:
        try:
            definitions = parse(text).definitions
        except GraphQLError:
            continue
        if any(isinstance(one, OperationDefinitionNode) for one in definitions):
            found.append(text)
    return found


FILES: Final = {
    "web-page.json": of_the_page,
    "python-client.json": of_the_python_client,
    "operator-commands.json": of_the_operator_commands,
}


def main() -> int:
    for name, collect in FILES.items():
        text = json.dumps({sha256(one): one for one in collect()}, indent=2) + "\n"
        file = FOLDER / name
        if "--check" not in sys.argv[1:]:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            print(f"{file.name}: out of date; run `make schema`")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
