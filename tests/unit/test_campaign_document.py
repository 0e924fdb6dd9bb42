"""The document of campaigns shows the table of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.domain.campaigns import MUTATIONS, TRANSITIONS, Action
from app.domain.enums import CampaignStatus

DOCUMENT: Final = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text()


def diagram() -> str:
    """Return the state diagram in Mermaid; a campaign is created SCHEDULED or RUNNING."""
    lines = ["stateDiagram-v2", "[*] --> SCHEDULED", "[*] --> RUNNING"]
    for status, row in TRANSITIONS.items():
        arrows: dict[CampaignStatus, list[Action]] = {}
        for action, to in row.items():
            arrows.setdefault(to, []).append(action)
        lines += [f"{status} --> {to}: {', '.join(actions)}" for to, actions in arrows.items()]
    return "```mermaid\n" + "\n    ".join(lines) + "\n```"


def table() -> str:
    """Return the status after each action, by status."""
    head = ["status", *Action]
    rows = [[status, *(row.get(action, "") for action in Action)] for status, row in TRANSITIONS.items()]
    return "\n".join(f"| {' | '.join(cells)} |" if cells else "|" + "---|" * len(head) for cells in (head, [], *rows))


def test_the_document_shows_the_statuses_of_the_code() -> None:
    assert diagram() in DOCUMENT
    assert table() in DOCUMENT


def test_the_document_explains_every_action() -> None:
    explained = [line.split("|")[1:3] for line in DOCUMENT.splitlines() if line.startswith("| ")]
    by = {action: who.strip(" `") for names, who in explained for action in names.replace(" ", "").split(",")}
    for action in Action:
        assert by[action] == MUTATIONS.get(action, "the campaign")
