"""The current observations of an endpoint, as one column stores them: a JSON list with a path for each single one and a
list of paths for each composite one.

Leshan stores an observation for one registration: another registration starts without any, and after an UPDATED from
another address it remains listed but its notifications no longer arrive (measured on 2.0.0-M18).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from app.domain.observation_rules import Target
from app.models.fields import dump_json, load_json

MOST: Final = 1_000
"""Maximum of observations stored for one endpoint: if there are more, the oldest are dropped, and shown as ended."""

Observation: TypeAlias = str | list[str]
"""A path, or the sorted paths of a composite observation."""


def observation_of(paths: Iterable[str], *, composite: bool) -> Observation:
    """Return the stored form of an observation; two composites of the same paths are equal."""
    listed = sorted(paths)
    return listed if composite else listed[0]


def with_observation(stored: str | None, observation: Observation) -> str | None:
    """Return the column with the observation added."""
    others = [each for each in _load(stored) if each != observation]
    return dump_json([*others, observation][-MOST:])


def without_observation(stored: str | None, observation: Observation) -> str | None:
    """Return the column without the observation."""
    return dump_json([each for each in _load(stored) if each != observation] or None)


def keys_of(stored: str | None) -> set[str]:
    """Return the observations of a column as keys (:attr:`app.domain.observation_rules.Target.key`)."""
    return {Target((one,)).key if isinstance(one, str) else Target(tuple(one), True).key for one in _load(stored)}


class Observed:
    """The paths that the observations of a column cover."""

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
