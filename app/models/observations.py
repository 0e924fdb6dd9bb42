"""Which observations of an endpoint stand, as one column keeps them: a JSON list with a path for each single one and a
list of paths for each composite one.

Leshan keeps an observation for one registration: another registration starts without any, and an UPDATED from another
address leaves it listed while no notification arrives any more (measured on 2.0.0-M18).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from app.models.fields import dump_json, load_json

MOST: Final = 1_000
"""Observations of one endpoint that are kept: of more the oldest are forgotten, and shown as ended."""

Observation: TypeAlias = str | list[str]
"""A path, or the paths of a composite observation in their order."""


def observation_of(paths: Iterable[str], *, composite: bool) -> Observation:
    """Return what is kept of an observation; two composites of the same paths are the same."""
    listed = sorted(paths)
    return listed if composite else listed[0]


def with_observation(stored: str | None, observation: Observation) -> str | None:
    """Return the column with the observation in it."""
    others = [each for each in _load(stored) if each != observation]
    return dump_json([*others, observation][-MOST:])


def without_observation(stored: str | None, observation: Observation) -> str | None:
    """Return the column without the observation."""
    return dump_json([each for each in _load(stored) if each != observation] or None)


class Observed:
    """Answers which paths the observations of a column cover."""

    def __init__(self, stored: str | None) -> None:
        observed = _load(stored)
        singles = {each for each in observed if isinstance(each, str)}
        self._paths = singles.union(*(each for each in observed if isinstance(each, list)))

    def covers(self, path: str) -> bool:
        """Return whether the path itself is observed, or an instance or object that it belongs to."""
        parts = path.split("/")
        return any("/".join(parts[:length]) in self._paths for length in range(2, len(parts) + 1))


def _load(stored: str | None) -> Sequence[Observation]:
    observations: list[Observation] = load_json(stored) or []
    return observations
