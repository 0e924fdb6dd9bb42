"""The wording check: only prose, each word with its line and a suggestion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import wording

FILES = {
    "a.md": "Nothing is lost.\n\n    told = 1\n\nWhoever reads `told` is told.\n\n```\nheard\n```\n",
    "a.graphql": '"""\nThe value that was told.\n"""\ntype Told {\n  """Time."""\n  heard: Int\n}\n',
    "a.java": (
        "/** Reads {@code heard} and\n * tells.\n *\n * @param told by nobody\n */\n"
        'String told = "// told"; // anew, not `told`\nchar heard = \'"\'; /* told */\n'
    ),
    "a.py": '"""Module."""\n\ntold = "heard"  # nobody\n\n\ndef heard():\n    """Tell.\n\n    Anew.\n    """\n',
}
FOUND = {
    "a.md": [(5, "Whoever"), (5, "told")],
    "a.graphql": [(2, "told")],
    "a.java": [(2, "tells"), (4, "nobody"), (6, "anew"), (7, "told")],
    "a.py": [(3, "nobody"), (7, "Tell"), (9, "Anew")],
}


@pytest.mark.parametrize("name", FILES)
def test_household_words_are_found_only_in_prose(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_text(FILES[name])
    monkeypatch.setattr(wording, "ROOT", tmp_path)
    monkeypatch.setattr(wording, "CHECKED", (re.compile(".*"),))
    monkeypatch.setattr(wording, "tracked_files", lambda: [name])
    expected = [f"{name}:{line}: {word!r}, better: {wording.SUGGESTIONS[word.lower()]}" for line, word in FOUND[name]]
    assert sorted(wording.findings()) == sorted(expected)


def test_counts_are_per_ten_thousand_words(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("Return the default. " + "word " * 37)
    assert dict(wording.counts([file])) == {**dict.fromkeys(wording.COUNTED, 0), "return": 250, "default": 250}
