"""Rows made into types, with what a document selects fetched for all rows of a list at once.

So a page costs a constant number of statements, and its fields are plain attributes. What belongs to a row is fetched
when its name stands anywhere in the document: perhaps once too often, never once per row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strawberry.dataloader import DataLoader

from app.domain.words import WaitingFor
from app.models.live import LiveTransition
from app.models.queries import (
    EndpointView,
    OperationCriteria,
    OperationView,
    TransitionView,
    endpoints_by_id,
    heads_of,
    open_calls,
    operation_by_id,
    operation_page,
    operations_by_id,
    operations_by_seq,
    server_view,
    transitions_by_seq,
)
from app.models.waiting import Calls, may_be_full, needs_head, waiting_for
from app.schema.types.endpoint import Endpoint, endpoint_of
from app.schema.types.node import Total, page_info
from app.schema.types.operation import (
    DeviceOperation,
    DeviceOperationConnection,
    DeviceOperationEdge,
    OperationTransition,
    operation_of,
    transition_of,
)

_ABSENT: Any = None
"""In the place of what the document does not select."""


class Reads:
    """Reading for one document. ``most_calls`` is how many calls may be open at the Leshan server by the settings;
    ``names`` are all names in the document's text."""

    def __init__(self, most_calls: int, names: frozenset[str] = frozenset()) -> None:
        self.names = names
        self._most_calls = most_calls
        self._by_seq = self._loader()

    def forget(self) -> None:
        """Read anew from now on: after a mutation, and for each event of a subscription."""
        self._by_seq = self._loader()

    def _loader(self) -> DataLoader[int, DeviceOperation | None]:
        return DataLoader(load_fn=self._load_by_seq)

    async def _load_by_seq(self, seqs: Sequence[int]) -> list[DeviceOperation | None]:
        views = await operations_by_seq(set(seqs))
        made = dict(zip(views, await self.operations(list(views.values())), strict=True))
        return [made.get(seq) for seq in seqs]

    async def operation_by_seq(self, seq: int) -> DeviceOperation | None:
        """Batched with whatever is asked for at the same moment; None for one that was pruned."""
        return await self._by_seq.load(seq)

    async def operation_by_id(self, id_: str) -> DeviceOperation | None:
        view = await operation_by_id(id_)
        return (await self.operations([view]))[0] if view else None

    async def operations_by_id(self, ids: Sequence[str]) -> dict[str, DeviceOperation]:
        views = await operations_by_id(ids)
        return dict(zip(views, await self.operations(list(views.values())), strict=True))

    async def operation_page(
        self, criteria: OperationCriteria, first: int, after: str | None
    ) -> DeviceOperationConnection:
        page = await operation_page(criteria, first, after)
        operations = await self.operations(page.items)
        edges = [
            DeviceOperationEdge(node=operation, cursor=cursor)
            for operation, cursor in zip(operations, page.cursors, strict=True)
        ]
        return DeviceOperationConnection(edges=edges, page_info=page_info(page), total=Total(page))

    async def operations(
        self, views: Sequence[OperationView], endpoints: Mapping[int, EndpointView] | None = None
    ) -> list[DeviceOperation]:
        """Operations with endpoint, waiting and last transition, as far as they are selected.

        ``endpoints`` are those of the operations, where they have been read already.
        """
        if not views:
            return []
        waiting = "waitingFor" in self.names
        if endpoints is None and (waiting or "endpoint" in self.names):
            endpoints = await endpoints_by_id({view.endpoint_id for view in views})
        told = {id_: endpoint_of(endpoint) for id_, endpoint in (endpoints or {}).items()}
        waits = await self._waits(views, endpoints or {}) if waiting else {}
        steps = await self._last_steps(views) if "lastTransition" in self.names else {}
        return [_operation(view, told, waits, steps) for view in views]

    async def _waits(
        self, views: Sequence[OperationView], endpoints: Mapping[int, EndpointView]
    ) -> dict[int, WaitingFor]:
        server = await server_view()
        contested = {view.endpoint_id for view in views if needs_head(view, endpoints[view.endpoint_id])}
        heads = await heads_of(contested)
        calls: Calls | None = None

        def wait(view: OperationView) -> WaitingFor:
            endpoint = endpoints[view.endpoint_id]
            return waiting_for(view, endpoint, server, server.now, heads.get(view.endpoint_id), calls=calls)

        waits = {view.seq: wait(view) for view in views}
        most = min(self._most_calls, server.open_calls or self._most_calls)
        if WaitingFor.CLAIM in waits.values() and may_be_full(server, most):
            calls = Calls(*await open_calls(), most)
            waits |= {view.seq: wait(view) for view in views if waits[view.seq] is WaitingFor.CLAIM}
        return waits

    async def _last_steps(self, views: Sequence[OperationView]) -> dict[int, TransitionView]:
        return await transitions_by_seq({view.last_seq for view in views})

    async def transition(self, event: LiveTransition) -> OperationTransition:
        """A transition as subscribers are told it."""
        self.forget()
        (operation,) = await self.operations([event.operation], {event.endpoint.id: event.endpoint})
        return transition_of(event.transition, operation)


def _operation(
    view: OperationView,
    endpoints: Mapping[int, Endpoint],
    waits: Mapping[int, WaitingFor],
    steps: Mapping[int, TransitionView],
) -> DeviceOperation:
    operation = operation_of(view, endpoints.get(view.endpoint_id, _ABSENT), waits.get(view.seq, _ABSENT))
    step = steps.get(view.last_seq)
    if step is not None:
        operation.last_transition = transition_of(step, operation)
    return operation
