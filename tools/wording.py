"""Household words in prose, with the field's terms that replace them (``docs/glossary.md``).

Part of ``make check``: prints file, line, word and suggestion for each finding, and exits with 1. Prose is Markdown
outside of code, descriptions of the GraphQL schema, docstrings and comments of Python modules, and comments of Java.
``python -m tools.wording --counts PATH ..`` prints how often some words occur per 10,000 words of prose.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tools.hygiene import ROOT, tracked_files

CHECKED: Final = (
    re.compile(r"(?:README|CHANGELOG|findings/README)\.md"),
    re.compile(r"docs/(?:decisions/)?[^/]+\.md"),
    re.compile(r"frontend-examples/.*\.md"),
    re.compile(r"frontend-examples/dashboard/src/(?!api/generated).*\.tsx?"),
    re.compile(r"leshan-server/(?:archive/)?README\.md"),
    re.compile(r"leshan-server/src/.*\.java"),
    re.compile(r"schema\.graphql"),
    re.compile(r"(?:app|simulator|bench|tests|tools)/.*\.py"),
)
"""Files whose prose is free of these words, and stays so."""

SUGGESTIONS: Final = {
    "anew": "again",
    "hear": "receive",
    "hears": "receives",
    "heard": "received",
    "nobody": "no client, no process",
    "somebody": "a client, a process",
    "stands here": "is",
    "surely": "at least once",
    "tell": "report, notify, return",
    "tells": "reports, returns",
    "told": "reported, returned",
    "whisper": "notify",
    "whoever": "the caller, the first process",
}
_HOUSEHOLD: Final = re.compile(rf"\b(?:{'|'.join(SUGGESTIONS)})\b", re.IGNORECASE)
_CODE: Final = re.compile(r"`+[^`]*`+|^ +\w+:(?= )|\{@\w+[^}]*\}|@(?:param|throws) \S+")
"""Inline code of Markdown and Javadoc, and the name of a documented argument, attribute or exception."""

_BRACES: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|\'(?:\\.|[^\'\\\n])+\'|(?P<comment>//[^\n]*|/\*.*?\*/)',
    re.DOTALL,
)
"""Strings, whose content may look like a comment, and comments."""

COUNTED: Final = {
    "what": r"what",
    "tell, told": r"tell|tells|told|telling",
    "ask, asked": r"ask|asks|asked|asking",
    "nobody, somebody": r"nobody|somebody",
    "return": r"return|returns|returned|returning",
    "default": r"defaults?",
    "handle(r)": r"handles?|handled|handlers?",
}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file's prose with their numbers, without inline code."""
    for number, line in PROSE[path.suffix](path.read_text()):
        yield number, _CODE.sub("`..`", line)


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def _descriptions(text: str) -> Iterator[tuple[int, str]]:
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        quotes = line.count('"""')
        if inside or quotes:
            yield number, line
        inside ^= quotes == 1


def _docstrings(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from enumerate(node.value.value.splitlines(), start=node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for match in _BRACES.finditer(text):
        if comment := match["comment"]:
            yield from enumerate(comment.splitlines(), start=text.count("\n", 0, match.start()) + 1)


PROSE: Final = {
    ".md": _markdown,
    ".graphql": _descriptions,
    ".py": _docstrings,
    ".java": _comments,
    ".ts": _comments,
    ".tsx": _comments,
}
"""The prose of a file's text, as numbered lines, by its suffix."""


def findings() -> Iterator[str]:
    """Yield one line for each household word in :data:`CHECKED`."""
    for file in tracked_files():
        if any(pattern.fullmatch(file) for pattern in CHECKED):
            for number, line in prose(ROOT / file):
                for word in _HOUSEHOLD.findall(line):
                    yield f"{file}:{number}: {word!r}, better: {SUGGESTIONS[word.lower()]}"


def counts(paths: Iterable[Path]) -> Iterator[tuple[str, float]]:
    """Yield the frequency of each counted word, per 10,000 words of the files' prose."""
    found: Counter[str] = Counter()
    words = 0
    for path in paths:
        for _, line in prose(path):
            words += len(re.findall(r"[A-Za-z']+", line))
            for name, pattern in COUNTED.items():
                found[name] += len(re.findall(rf"\b(?:{pattern})\b", line, re.IGNORECASE))
    for name in COUNTED:
        yield name, 10_000 * found[name] / max(1, words)


def with_prose(path: Path) -> list[Path]:
    """Return the files with prose in a folder; a file itself."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*.*") if file.suffix in PROSE)


def main() -> int:
    """Check the wording, or print the counts of the files and folders that follow ``--counts``."""
    if sys.argv[1:2] == ["--counts"]:
        files = [file for argument in sys.argv[2:] for file in with_prose(Path(argument))]
        print("  ".join(f"{name} {count:.0f}" for name, count in counts(files)))
        return 0
    found = list(findings())
    print("\n".join(found) or "no household words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
