"""Configurable handling of a request by a device, or by something before it: one behavior per row of the verdict table.

=================  ====================================================================================================
``success``        the device carries the request out (with all its own refusals); with ``delay_ms`` slowly
``refuse``         200 with ``success:false``, ``code`` and ``text``
``nonsense``       500 ``Invalid Response: ..``
``silent``         504 ``Request timeout`` after the request's timeout; a queue-mode client is then taken as asleep
``rejected``       500 ``Request rejected: ..``
``cancelled``      500 ``Request cancelled: ..``
``unexpected``     500 ``Unexpected exception: ..``
``not_connected``  500 ``.. peer is not connected``, at once
``unsendable``     500 ``Unable to send request ..``, at once
``delayed``        200 with ``delayed:true``, whether the client is awake or not
``not_registered`` 400 ``No registered client ..``
``sleeping``       400 ``Invalid request: .. is sleeping ..``
``client_sleeping`` 409 ``CLIENT_SLEEPING``
``invalid``        400 ``Invalid request: ..``
``http``           any ``status`` with ``text`` (HTML if it starts with ``<``): 401, 404, 413, 429, 502, 503 ..
``redirect``       ``status`` (default 302) with ``text`` as the new address
``close``          the connection is closed after the request was read
``reset``          the same with a TCP reset
``half_body``      a part of a response, then closed
``never``          no response and no close
``unreadable``     200 whose body is no JSON
=================  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self


class Kind(StrEnum):
    """Names of the behaviors; the module's docstring describes each."""

    SUCCESS = "success"
    REFUSE = "refuse"
    NONSENSE = "nonsense"
    SILENT = "silent"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNEXPECTED = "unexpected"
    NOT_CONNECTED = "not_connected"
    UNSENDABLE = "unsendable"
    DELAYED = "delayed"
    NOT_REGISTERED = "not_registered"
    SLEEPING = "sleeping"
    CLIENT_SLEEPING = "client_sleeping"
    INVALID = "invalid"
    HTTP = "http"
    REDIRECT = "redirect"
    CLOSE = "close"
    RESET = "reset"
    HALF_BODY = "half_body"
    NEVER = "never"
    UNREADABLE = "unreadable"


OF_THE_DEVICE: Final = frozenset(
    {Kind.SUCCESS, Kind.REFUSE, Kind.NONSENSE, Kind.SILENT, Kind.REJECTED, Kind.CANCELLED, Kind.UNEXPECTED}
)
"""These need a client that the server takes as awake; all others respond whatever the client's state."""

CARRIED_OUT: Final = frozenset({Kind.SUCCESS, Kind.NONSENSE, Kind.HALF_BODY, Kind.UNREADABLE})
"""With these the device receives the request and carries it out, unless the behavior says otherwise."""

HANDED_OVER: Final = CARRIED_OUT | {Kind.REFUSE, Kind.REJECTED}
"""With these the device receives the request, whether it carries it out or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The handling of matching requests.

    Attributes:
        code: the CoAP code of ``refuse`` (404 is 4.04).
        status: the HTTP status of ``http`` and ``redirect``.
        text: of the response; empty: a default one, or none.
        delay_ms: until the response (or the close) comes; None: as in the simulator's settings.
        carry_out: whether the device carries the request out all the same; None: the default of the kind.
        carry_out_after_ms: when it does so, counted from the request; None: when it responds. A request that was
            answered 504 is often carried out later.
        times: how many matching requests it applies to; None: all.
        path: only requests to this path and below (``"/3/0"``); None: all.
        method: only requests of this kind (``"WRITE"``); None: all.
    """

    kind: Kind = Kind.SUCCESS
    code: int = 400
    status: int = 503
    text: str = ""
    delay_ms: float | None = None
    carry_out: bool | None = None
    carry_out_after_ms: float | None = None
    times: int | None = None
    path: str | None = None
    method: str | None = None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Read the form of the control address: the attributes' names, ``kind`` as in the table.

        Raises:
            ValueError: an unknown field or kind.
        """
        unknown = set(fields) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"a behaviour has no {', '.join(sorted(unknown))}")
        return cls(**{**fields, "kind": Kind(fields.get("kind", Kind.SUCCESS))})

    @property
    def of_the_device(self) -> bool:
        return self.kind in OF_THE_DEVICE

    @property
    def carries_out(self) -> bool:
        """Return whether the device carries out the request."""
        return self.kind in CARRIED_OUT if self.carry_out is None else self.carry_out

    @property
    def hands_over(self) -> bool:
        """Return whether the device receives the request at all."""
        return self.kind in HANDED_OVER or self.carries_out

    def matches(self, method: str, paths: tuple[str, ...]) -> bool:
        """Return whether this applies to a request of this kind to these paths."""
        if self.method is not None and self.method != method:
            return False
        below = None if self.path is None else f"{self.path.rstrip('/')}/"
        return below is None or any(f"{path}/".startswith(below) for path in paths)


SUCCESS: Final = Behaviour()
SILENT: Final = Behaviour(kind=Kind.SILENT)


class Behaviours:
    """The configured rules: first those for a limited number of requests, in the order of configuration; then the
    permanent ones, newest first."""

    __slots__ = ("_rules",)

    def __init__(self) -> None:
        self._rules: list[list[Any]] = []

    def add(self, behaviour: Behaviour) -> None:
        """Add a behavior."""
        limited = sum(1 for _, times in self._rules if times is not None)
        self._rules.insert(limited, [behaviour, behaviour.times])

    def clear(self) -> None:
        self._rules.clear()

    def peek(self, method: str, paths: tuple[str, ...]) -> Behaviour | None:
        """Return the behavior of the next matching request, without using it."""
        return next((rule for rule, _ in self._rules if rule.matches(method, paths)), None)

    def take(self, method: str, paths: tuple[str, ...]) -> Behaviour | None:
        """Return the behavior of this request; it counts as used."""
        for entry in self._rules:
            if entry[0].matches(method, paths):
                if entry[1] is not None:
                    entry[1] -= 1
                    if entry[1] <= 0:
                        self._rules.remove(entry)
                return entry[0]  # type: ignore[no-any-return]
        return None

    def __iter__(self) -> Iterator[Behaviour]:
        return (rule for rule, _ in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)
