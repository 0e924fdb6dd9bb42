"""LwM2M paths: ``/object/instance/resource/resourceInstance``, each part an id of 0..65535."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from app.domain.enums import OperationKind
from app.domain.kinds import KINDS

MAX_ID: Final = 65_535
"""The greatest id. LwM2M reserves it as an object instance's: MAX_ID (Core 1.1, 7.2)."""
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,4}")


class InvalidPath(ValueError):
    """Raised for a text that is not an LwM2M path, or a path that does not fit the operation. The message says the
    problem and what is expected."""


@dataclass(frozen=True, slots=True, order=True)
class LwM2mPath:
    """A path of one to four ids (LwM2M Core 1.1, 7.2). The root path ``/`` is not supported: no operation targets
    it."""

    ids: tuple[int, ...]
    depth: int = field(init=False, compare=False, repr=False)
    """1 for an object, 2 for an object instance, 3 for a resource, 4 for a resource instance."""
    object_id: int = field(init=False, compare=False, repr=False)
    resource_id: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", len(self.ids))
        object.__setattr__(self, "object_id", self.ids[0])
        object.__setattr__(self, "resource_id", self.ids[2] if len(self.ids) > 2 else None)

    @staticmethod
    @lru_cache(maxsize=8192)
    def parse(text: str) -> LwM2mPath:
        """Parse ``"/5/0/1"`` or ``"5/0/1"``.

        Raises:
            InvalidPath: not one to four decimal ids of 0..65535.
        """
        parts = text.removeprefix("/").split("/")
        if not 1 <= len(parts) <= 4 or not all(_DIGITS.fullmatch(part) for part in parts):
            raise InvalidPath(f"Invalid LwM2M path {text[:100]!r}; one to four ids are expected, like /5/0/1.")
        ids = tuple(int(part) for part in parts)
        if max(ids) > MAX_ID:
            raise InvalidPath(f"Invalid LwM2M path {text!r}; ids of 0 to {MAX_ID} are expected.")
        return LwM2mPath(ids)

    def __str__(self) -> str:
        return path_text(self.ids)

    def child(self, id_: int) -> LwM2mPath:
        return LwM2mPath((*self.ids, id_))


@lru_cache(maxsize=8192)
def path_text(ids: tuple[int, ...]) -> str:
    """Return the text of a path, with the leading slash."""
    return "/" + "/".join(map(str, ids))


LEVELS: Final = ("an object", "an object instance", "a resource", "a resource instance")


def overlap(paths: Sequence[LwM2mPath]) -> tuple[int, LwM2mPath] | None:
    """Return the index of the first path that is part of another path in the list, and that other path; None if no
    paths overlap. Leshan refuses composites with such paths."""
    there = {path.ids: path for path in paths}
    for index, path in enumerate(paths):
        for depth in range(1, path.depth):
            if (above := there.get(path.ids[:depth])) is not None:
                return index, above
    return None


def path_for(kind: OperationKind, text: str) -> LwM2mPath:
    """Parse a path and check that it fits the kind.

    Raises:
        InvalidPath: no path, too deep or too shallow for the kind, or the reserved object instance 65535.
    """
    path = LwM2mPath.parse(text)
    if path.depth > 1 and path.ids[1] == MAX_ID:
        raise InvalidPath(
            f"Invalid path {path}; {MAX_ID} is reserved, object instance ids of 0 to {MAX_ID - 1} are expected."
        )
    allowed = KINDS[kind].depths
    if path.depth not in allowed:
        expected = " or ".join(LEVELS[depth - 1] for depth in allowed)
        raise InvalidPath(f"Invalid path {path} of {LEVELS[path.depth - 1]}; {kind} requires the path of {expected}.")
    return path
