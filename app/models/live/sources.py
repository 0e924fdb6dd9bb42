"""Pieces of the log as events: first the log's rows, then the rows that they belong to, which are therefore never
older.

Large values are not read in advance: hundreds of events wait for each subscriber, and each subscriber reads the values
that it selects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from app.models.live.criteria import (
    EVERYTHING,
    Key,
    PresenceCriteria,
    ResourceCriteria,
    TransitionCriteria,
    endpoint_key,
    operation_key,
)
from app.models.live.events import LivePresence, LiveResource, LiveTransition
from app.models.queries.endpoints import endpoints_by_id
from app.models.queries.log import Expired, Piece, read_presences, read_resources, read_transitions
from app.models.queries.operations import operations_by_id, operations_by_seq
from app.models.queries.views import Large

PIECE: Final = 500
"""Maximum of events read at once."""

C = TypeVar("C")
V = TypeVar("V")
C_contra = TypeVar("C_contra", contravariant=True)
T = TypeVar("T")


class Source(Protocol[C_contra, V]):
    """One kind of event. ``read`` raises Expired if the log has been pruned beyond ``after``."""

    async def read(self, criteria: C_contra, after: int, until: int) -> Piece[V]: ...
    def keys(self, event: V) -> Iterable[Key]: ...


class Transitions:
    """Transitions with operation and endpoint: three statements, four with operation ids, however many events there
    are."""

    async def read(self, criteria: TransitionCriteria, after: int, until: int) -> Piece[LiveTransition]:
        seqs = None
        if criteria.operation_ids is not None:
            seqs = [
                operation.seq for operation in (await operations_by_id(criteria.operation_ids, Large.NONE)).values()
            ]
        piece = await read_transitions(
            after,
            PIECE,
            until=until,
            endpoint=criteria.endpoint,
            operation_seqs=seqs,
            to_statuses=criteria.to_statuses,
        )
        operations = await operations_by_seq({row.operation_seq for row in piece.rows}, Large.SHORT)
        endpoints = await endpoints_by_id({operation.endpoint_id for operation in operations.values()}, Large.SHORT)
        events = []
        for row in piece.rows:
            operation = _row(operations, row.operation_seq)
            events.append(LiveTransition(row, operation, endpoints[operation.endpoint_id]))
        return Piece(events, piece.upto, piece.head)

    def keys(self, event: LiveTransition) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name), operation_key(event.operation.id)


class Presences:
    """Changes of presence with their endpoints."""

    async def read(self, criteria: PresenceCriteria, after: int, until: int) -> Piece[LivePresence]:
        piece = await read_presences(after, PIECE, until=until, endpoint=criteria.endpoint)
        endpoints = await endpoints_by_id({row.endpoint_id for row in piece.rows}, Large.SHORT)
        events = [LivePresence(row, _row(endpoints, row.endpoint_id)) for row in piece.rows]
        return Piece(events, piece.upto, piece.head)

    def keys(self, event: LivePresence) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name)


class Resources:
    """Values with their endpoints."""

    async def read(self, criteria: ResourceCriteria, after: int, until: int) -> Piece[LiveResource]:
        piece = await read_resources(
            after, PIECE, until=until, endpoint=criteria.endpoint, path_prefix=criteria.path_prefix
        )
        endpoints = await endpoints_by_id({row.endpoint_id for row in piece.rows}, Large.SHORT)
        events = [LiveResource(row, _row(endpoints, row.endpoint_id)) for row in piece.rows]
        return Piece(events, piece.upto, piece.head)

    def keys(self, event: LiveResource) -> Iterable[Key]:
        return EVERYTHING, endpoint_key(event.endpoint.name)


def _row(rows: dict[int, T], key: int) -> T:
    """Return the row that an event belongs to.

    Raises:
        Expired: it was pruned after the event was read, and the event with it.
    """
    try:
        return rows[key]
    except KeyError:
        raise Expired("The log was pruned while it was read; read the list again, then subscribe.") from None
