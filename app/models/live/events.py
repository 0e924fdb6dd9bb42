"""The kinds of events: how each is read from the log, whom it concerns, and which criteria select it.

Criteria have keys for the feed's index: only subscribers that may want an event are checked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from app.domain.enums import OperationStatus
from app.models.cursors import log_cursor
from app.models.operation import Operation
from app.models.queries.campaigns import CampaignTargetView, CampaignView, campaign_targets_by_id, campaigns_by_id
from app.models.queries.endpoints import endpoints_by_id
from app.models.queries.log import (
    Piece,
    read_campaign_changes,
    read_presences,
    read_resources,
    read_transitions,
)
from app.models.queries.operations import operations_by_id
from app.models.queries.views import EndpointView, Large, PresenceChangeView, ReadingView, TransitionView

PIECE: Final = 500
"""Maximum of events read at once."""


class Lagged(RuntimeError):
    """The subscriber consumed events more slowly than they arrived. Nothing is lost: a new subscription continues after
    ``cursor``."""

    def __init__(self, cursor: str) -> None:
        super().__init__("Events arrived faster than the client received them; resume after the cursor.")
        self.cursor = cursor


class CursorExpired(ValueError):
    """The log has been pruned beyond the cursor: the events after it are no longer complete."""


@dataclass(slots=True)
class LiveEvent:
    """An entry of the log. ``seq`` is its position."""

    seq: int

    @property
    def cursor(self) -> str:
        return log_cursor(self.seq)


@dataclass(slots=True)
class LiveTransition(LiveEvent):
    """A transition with its operation (never older than it) and the operation's endpoint."""

    transition: TransitionView
    operation: Operation
    endpoint: EndpointView


@dataclass(slots=True)
class LivePresence(LiveEvent):
    """A change of presence with its endpoint, which may have changed again since."""

    change: PresenceChangeView
    endpoint: EndpointView


@dataclass(slots=True)
class LiveResource(LiveEvent):
    """A value that a resource had, with its endpoint."""

    change: ReadingView
    endpoint: EndpointView


@dataclass(slots=True)
class LiveCampaignChange(LiveEvent):
    """A change of a campaign with the campaign or, if one of its targets changed, also with that and its endpoint. None
    of them is older than the change."""

    campaign: CampaignView
    target: CampaignTargetView | None
    endpoint: EndpointView | None


EVERYTHING: Final = ("everything", "")
"""The key of subscribers to all endpoints."""

Key = tuple[str, str]


def endpoint_key(name: str) -> Key:
    return ("endpoint", name)


def operation_key(id_: str) -> Key:
    return ("operation", id_)


def campaign_key(id_: int) -> Key:
    return ("campaign", str(id_))


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


@dataclass(frozen=True, slots=True)
class CampaignCriteria:
    """Changes of one campaign and its targets, or of all."""

    campaign_id: int | None = None

    def interests(self) -> list[Key]:
        return [EVERYTHING if self.campaign_id is None else campaign_key(self.campaign_id)]

    def admits(self, event: LiveCampaignChange) -> bool:  # noqa: ARG002 - the key decides
        return True


C = TypeVar("C")
V = TypeVar("V")
C_contra = TypeVar("C_contra", contravariant=True)
T = TypeVar("T")


class Source(Protocol[C_contra, V]):
    """One kind of event. ``read`` raises Expired if the log has been pruned beyond ``after``."""

    async def read(self, criteria: C_contra, after: int, until: int) -> Piece[V]: ...
    def keys(self, event: V) -> Iterable[Key]: ...


class Transitions:
    """Transitions with operation and endpoint: one statement, two with operation ids, however many events there are."""

    async def read(self, criteria: TransitionCriteria, after: int, until: int) -> Piece[LiveTransition]:
        seqs = None
        if criteria.operation_ids is not None:
            seqs = [row.seq for row in (await operations_by_id(criteria.operation_ids, Large.NONE)).values()]
        piece = await read_transitions(
            after,
            PIECE,
            until=until,
            endpoint=criteria.endpoint,
            operation_seqs=seqs,
            to_statuses=criteria.to_statuses,
        )
        return Piece([LiveTransition(row[0].seq, *row) for row in piece.rows], piece.upto, piece.head)

    def keys(self, event: LiveTransition) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name), operation_key(event.operation.id)


class Presences:
    """Changes of presence with their endpoints."""

    async def read(self, criteria: PresenceCriteria, after: int, until: int) -> Piece[LivePresence]:
        piece = await read_presences(after, PIECE, until=until, endpoint=criteria.endpoint)
        return Piece([LivePresence(row[0].seq, *row) for row in piece.rows], piece.upto, piece.head)

    def keys(self, event: LivePresence) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name)


class Resources:
    """Values with their endpoints."""

    async def read(self, criteria: ResourceCriteria, after: int, until: int) -> Piece[LiveResource]:
        piece = await read_resources(
            after, PIECE, until=until, endpoint=criteria.endpoint, path_prefix=criteria.path_prefix
        )
        return Piece([LiveResource(row[0].seq, *row) for row in piece.rows], piece.upto, piece.head)

    def keys(self, event: LiveResource) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name)


class Campaigns:
    """Changes of campaigns with what changed: a statement each for the changes, campaigns, targets and endpoints,
    however many changes there are. Those of a campaign that was deleted meanwhile are omitted."""

    async def read(self, criteria: CampaignCriteria, after: int, until: int) -> Piece[LiveCampaignChange]:
        piece = await read_campaign_changes(after, PIECE, until=until, campaign_id=criteria.campaign_id)
        changes = [change for (change,) in piece.rows]
        campaigns = await campaigns_by_id({change.campaign_id for change in changes}, Large.SHORT)
        targets = await campaign_targets_by_id({change.target_id for change in changes if change.target_id is not None})
        endpoints = await endpoints_by_id({target.endpoint_id for target in targets.values()}, Large.SHORT)
        events = []
        for change in changes:
            campaign = campaigns.get(change.campaign_id)
            target = None if change.target_id is None else targets.get(change.target_id)
            if campaign is not None:
                endpoint = None if target is None else endpoints.get(target.endpoint_id)
                events.append(LiveCampaignChange(change.seq, campaign, target, endpoint))
        return Piece(events, piece.upto, piece.head)

    def keys(self, event: LiveCampaignChange) -> Iterable[Key]:
        return EVERYTHING, campaign_key(event.campaign.id)
