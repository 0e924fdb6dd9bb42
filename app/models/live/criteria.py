"""Subscribers' criteria. Their keys are for the feed's index: only subscribers that may want an event are checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from app.domain.enums import OperationStatus
from app.models.live.events import LivePresence, LiveResource, LiveTransition

EVERYTHING: Final = ("everything", "")
"""The key of subscribers to all endpoints."""

Key = tuple[str, str]


def endpoint_key(name: str) -> Key:
    return ("endpoint", name)


def operation_key(id_: str) -> Key:
    return ("operation", id_)


def _endpoint_keys(endpoint: str | None) -> list[Key]:
    return [EVERYTHING if endpoint is None else endpoint_key(endpoint)]


@dataclass(frozen=True, slots=True)
class TransitionCriteria:
    """Transitions of an endpoint (by name), of operations (by UUID), into statuses; None means any."""

    endpoint: str | None = None
    operation_ids: Collection[str] | None = None
    to_statuses: Collection[OperationStatus] | None = None

    def interests(self) -> list[Key]:
        if self.operation_ids is not None:
            return [operation_key(id_) for id_ in {id_.lower() for id_ in self.operation_ids}]
        return _endpoint_keys(self.endpoint)

    def admits(self, event: LiveTransition) -> bool:
        """Return whether an event that was found by its key matches."""
        if self.to_statuses is not None and event.transition.to_status not in self.to_statuses:
            return False
        return self.endpoint is None or event.endpoint.name == self.endpoint


@dataclass(frozen=True, slots=True)
class PresenceCriteria:
    """Changes of presence of one endpoint, or of all."""

    endpoint: str | None = None

    def interests(self) -> list[Key]:
        return _endpoint_keys(self.endpoint)

    def admits(self, event: LivePresence) -> bool:  # noqa: ARG002 - the key decides
        return True


@dataclass(frozen=True, slots=True)
class ResourceCriteria:
    """Values of one endpoint, or of all, at a path or below it (whole parts, as ``OperationCriteria.path_prefix``)."""

    endpoint: str | None = None
    path_prefix: str | None = None

    def interests(self) -> list[Key]:
        return _endpoint_keys(self.endpoint)

    def admits(self, event: LiveResource) -> bool:
        if self.path_prefix is None:
            return True
        prefix, path = self.path_prefix.rstrip("/"), event.change.path
        return path == prefix or path.startswith(prefix + "/")
