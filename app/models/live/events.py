"""Events for subscribers: a row of the log with the rows that it belongs to, which are read at the same time or
later."""

from __future__ import annotations

from dataclasses import dataclass

from app.models.cursors import log_cursor
from app.models.operation import Operation
from app.models.queries.views import EndpointView, PresenceChangeView, ResourceChangeView, TransitionView


class Lagged(RuntimeError):
    """The subscriber consumed events more slowly than they arrived. Nothing is lost: a new subscription continues after
    ``cursor``."""

    def __init__(self, cursor: str) -> None:
        super().__init__("Events arrived faster than the client received them; resume after the cursor.")
        self.cursor = cursor


class CursorExpired(ValueError):
    """The log has been pruned beyond the cursor: the events after it are no longer complete."""


@dataclass(slots=True)
class LiveTransition:
    """A transition with its operation (never older than it) and the operation's endpoint."""

    transition: TransitionView
    operation: Operation
    endpoint: EndpointView

    @property
    def seq(self) -> int:
        return self.transition.seq

    @property
    def cursor(self) -> str:
        return log_cursor(self.transition.seq)


@dataclass(slots=True)
class LivePresence:
    """A change of presence with its endpoint, which may have changed again since."""

    change: PresenceChangeView
    endpoint: EndpointView

    @property
    def seq(self) -> int:
        return self.change.seq

    @property
    def cursor(self) -> str:
        return log_cursor(self.change.seq)


@dataclass(slots=True)
class LiveResource:
    """A value that a resource had, with its endpoint."""

    change: ResourceChangeView
    endpoint: EndpointView

    @property
    def seq(self) -> int:
        return self.change.seq

    @property
    def cursor(self) -> str:
        return log_cursor(self.change.seq)
