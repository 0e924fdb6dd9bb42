"""The recorded exchanges, in the form that tests use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "captures"


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def answered(name: str) -> list[dict[str, Any]]:
    """Return the exchanges that have a response, numbered in their labels so that a test names its line."""
    exchanges = [exchange for exchange in load(name) if "response" in exchange]
    return [{**exchange, "label": f"{number} {exchange['label']}"} for number, exchange in enumerate(exchanges)]
