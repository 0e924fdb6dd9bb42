"""Observation rules: the paths of a device that a rule observes and reads, and the states of its observations. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, TypeAlias

from app.domain.enums import SECOND, Instant, ObservationState, OperationKind
from app.domain.paths import InvalidPath, path_for

ANY_INSTANCE: Final = "*"
"""Stands for every instance of the object that a device has registered."""

MAX_EXPANDED: Final = 100
"""Maximum of paths of one rule on one endpoint, observed ones and read ones each; those beyond are left out."""

MAX_OBSERVED: Final = 500
"""Maximum of observations of all rules on one endpoint."""

LEAST_SILENCE: Final[Instant] = 60 * SECOND
"""Minimum time before an observation without reports is STALE: each time, the path is observed again."""

Instances: TypeAlias = Mapping[int, Collection[int]]
"""The instance ids of the objects that a device has registered, by object id."""


@lru_cache(maxsize=8192)
def parse_pattern(text: str) -> tuple[int | None, ...]:
    """Return the ids of a path like ``"/3303/0/5700"`` or ``"/3303/*/5700"``: None for ``*``.

    Raises:
        InvalidPath: not one to four ids, or ``*`` in another place than the instance.
    """
    parts = text.removeprefix("/").split("/")
    wild = len(parts) > 1 and parts[1] == ANY_INSTANCE
    try:
        ids = path_for(OperationKind.OBSERVE, "/".join([parts[0], "0", *parts[2:]]) if wild else text).ids
    except InvalidPath as error:
        if ANY_INSTANCE not in text:
            raise
        message = f"Invalid path {text[:100]!r}; `*` is expected only as the object instance, like /3303/*/5700."
        raise InvalidPath(message) from error
    return (ids[0], None, *ids[2:]) if wild else ids


def pattern_text(ids: Sequence[int | None]) -> str:
    """Return the text of parsed ids, with the leading slash."""
    return "".join(f"/{ANY_INSTANCE if id_ is None else id_}" for id_ in ids)


def covers(above: Sequence[int | None], below: Sequence[int | None]) -> bool:
    """Return whether a path of ``below`` can be part of one of ``above``: Leshan refuses a composite with both."""
    return len(above) < len(below) and all(
        one is None or other is None or one == other for one, other in zip(above, below, strict=False)
    )


def expand(patterns: Iterable[str], instances: Instances | None) -> list[str]:
    """Return the paths of these patterns that the device has, at most :data:`MAX_EXPANDED`.

    ``instances`` is None if the device's objects are unknown: then paths without ``*`` are taken as they are.
    """
    paths = (path for pattern in patterns for path in _expand(parse_pattern(pattern), instances))
    return list(islice(dict.fromkeys(paths), MAX_EXPANDED))


def _expand(ids: Sequence[int | None], instances: Instances | None) -> Iterable[str]:
    if instances is None:
        return () if None in ids else (pattern_text(ids),)
    there = instances.get(ids[0] or 0)
    if there is None:
        return ()
    if len(ids) > 1 and ids[1] is None:
        return (pattern_text((ids[0], instance, *ids[2:])) for instance in sorted(there))
    return (pattern_text(ids),) if len(ids) == 1 or ids[1] in there else ()


@dataclass(frozen=True, slots=True)
class ObservationRule:
    """What a rule wants of the endpoints that its filter selects.

    Attributes:
        paths: paths to observe, with ``*`` for every instance.
        composite: whether one composite observation has all of the paths.
        attributes: notification attributes of the paths, by name.
        read_paths: paths to read at every registration.
    """

    id: int
    paths: tuple[str, ...]
    composite: bool = False
    attributes: Mapping[str, float] = field(default_factory=dict)
    read_paths: tuple[str, ...] = ()

    def targets(self, instances: Instances | None) -> list[Target]:
        """Return the observations that it wants of a device."""
        paths = expand(self.paths, instances)
        if self.composite:
            return [Target(tuple(sorted(paths)), composite=True)] if paths else []
        return [Target((path,)) for path in paths]


@dataclass(frozen=True, slots=True)
class Target:
    """One observation on a device: of one path, or a composite one of several."""

    paths: tuple[str, ...]
    composite: bool = False

    @property
    def key(self) -> str:
        """The path; for a composite all of its paths in brackets."""
        return f"[{','.join(self.paths)}]" if self.composite else self.paths[0]

    @classmethod
    def of_key(cls, key: str) -> Target:
        composite = key.startswith("[")
        return cls(tuple(key.strip("[]").split(",")), composite)


@dataclass(slots=True)
class TargetState:
    """The progress of one target.

    Attributes:
        attributes: those that are written to its paths before it is observed.
        detail: why it is not ESTABLISHED, or that the device refused the attributes.
        attributes_refused: whether the device refused them, so that it may be silent for any time.
        read: whether it is a path to read, of a rule without paths to observe.
    """

    state: ObservationState = ObservationState.PENDING
    attributes: Mapping[str, float] = field(default_factory=dict)
    detail: str | None = None
    attributes_refused: bool = False
    read: bool = False

    @property
    def silence(self) -> Instant | None:
        """The time without reports after which it is STALE: twice ``pmax``; None if ``pmax`` is not known."""
        pmax = None if self.attributes_refused else self.attributes.get("pmax")
        return None if pmax is None else max(int(2 * pmax * SECOND), LEAST_SILENCE)


_WORST_FIRST: Final = (
    ObservationState.PENDING,
    ObservationState.REFUSED,
    ObservationState.STALE,
    ObservationState.ESTABLISHED,
)


def state_of(targets: Collection[TargetState]) -> ObservationState:
    """Return the state of all targets of a rule together: the first one's in the order PENDING, REFUSED, STALE,
    ESTABLISHED."""
    states = {target.state for target in targets}
    return next((state for state in _WORST_FIRST if state in states), ObservationState.NOT_SUPPORTED)
