"""The kinds of operations: one table for the schema, the checks, the requests to Leshan and the ledger.

A new kind is a member of ``OperationKind``, a row of :data:`KINDS`, its request (``app/leshan/requests.py``) and the
simulator's answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.enums import OperationKind

_K: Final = OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Properties of a kind.

    Attributes:
        description: the description of the GraphQL enum's value.
        depths: allowed depths of its paths, 1 (object) to 4 (resource instance), as Leshan's request classes check them
            (``captures/m18-rest.json``).
        requires, accepts: fields of the input that it requires, and further ones that it accepts.
        reads: whether a successful answer has the values of the paths.
        writes: whether the request has values.
        observes: True if it starts an observation, False if it ends one, None for others.
        calls_device: whether the device is called. Leshan cancels an observation by itself, also while the device
            sleeps.
        repeatable: whether executing it twice has the same effect as executing it once.
    """

    description: str
    depths: tuple[int, ...]
    requires: frozenset[str] = frozenset({"path"})
    accepts: frozenset[str] = frozenset()
    reads: bool = False
    writes: bool = False
    observes: bool | None = None
    calls_device: bool = True
    repeatable: bool = True

    @property
    def composite(self) -> bool:
        """Whether it has several paths (LwM2M 1.1)."""
        return "path" not in self.requires


_PATHS: Final = frozenset({"paths"})
_ANY_DEPTH: Final = (1, 2, 3, 4)

KINDS: Final[Mapping[OperationKind, Kind]] = {
    _K.READ: Kind(
        description="Read an object, object instance, resource or resource instance.", depths=_ANY_DEPTH, reads=True
    ),
    _K.WRITE: Kind(
        description="Write an object instance, resource or resource instance.",
        depths=(2, 3, 4),
        requires=frozenset({"path", "value"}),
        accepts=frozenset({"supersede"}),
        writes=True,
    ),
    _K.EXECUTE: Kind(
        description="Execute a resource. Not retried after an unknown outcome, unless `repeatable` is true.",
        depths=(3,),
        accepts=frozenset({"arguments"}),
        repeatable=False,
    ),
    _K.CREATE: Kind(
        description="Create an object instance. Not retried after an unknown outcome, unless `repeatable` is true.",
        depths=(1,),
        accepts=frozenset({"value"}),
        writes=True,
        repeatable=False,
    ),
    _K.DELETE: Kind(description="Delete an object instance.", depths=(2,)),
    _K.DISCOVER: Kind(
        description="List the instances, resources and attributes of an object, object instance or resource.",
        depths=(1, 2, 3),
    ),
    _K.OBSERVE: Kind(description="Start the observation of a path.", depths=_ANY_DEPTH, reads=True, observes=True),
    _K.CANCEL_OBSERVE: Kind(
        description="Cancel the observation of a path. Leshan does this without a request to the device.",
        depths=_ANY_DEPTH,
        observes=False,
        calls_device=False,
    ),
    _K.WRITE_ATTRIBUTES: Kind(
        description="Set the notification attributes of a path.",
        depths=_ANY_DEPTH,
        requires=frozenset({"path", "attributes"}),
    ),
    _K.READ_COMPOSITE: Kind(
        description="Read several paths in one request (LwM2M 1.1).", depths=_ANY_DEPTH, requires=_PATHS, reads=True
    ),
    _K.WRITE_COMPOSITE: Kind(
        description="Write several resources or resource instances in one request (LwM2M 1.1).",
        depths=(3, 4),
        requires=frozenset({"values"}),
        writes=True,
    ),
    _K.OBSERVE_COMPOSITE: Kind(
        description="Start one observation of several paths (LwM2M 1.1).",
        depths=_ANY_DEPTH,
        requires=_PATHS,
        reads=True,
        observes=True,
    ),
    _K.CANCEL_OBSERVE_COMPOSITE: Kind(
        description="Cancel a composite observation (LwM2M 1.1). Leshan does this without a request to the device.",
        depths=_ANY_DEPTH,
        requires=_PATHS,
        observes=False,
        calls_device=False,
    ),
}

INPUT_PARTS: Final = ("path", "paths", "value", "values", "arguments", "attributes", "supersede")
"""Input fields that only some kinds accept, in the order in which they are checked."""

COMPOSITES: Final = frozenset(name for name, kind in KINDS.items() if kind.composite)
CANCELS: Final = frozenset(name for name, kind in KINDS.items() if not kind.calls_device)
READS: Final = frozenset(name for name, kind in KINDS.items() if kind.reads)
WRITES: Final = frozenset(name for name, kind in KINDS.items() if kind.writes)
