"""Rows for the resolvers of one document; related rows are read for all rows of a list at once.

So a page needs a constant number of statements. Related rows are read if the name of their field occurs anywhere in the
document: possibly without need, but never once per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from strawberry.dataloader import DataLoader

from app.domain.enums import ObservationState, WaitingFor
from app.models.ledger import Rules
from app.models.operation import NewOperation, Operation
from app.models.queries import (
    INLINE,
    EndpointView,
    Large,
    ObservationView,
    OperationCriteria,
    Page,
    ReadingView,
    ResourceStateView,
    TransitionView,
    endpoint_by_name,
    endpoints_by_id,
    heads_of,
    observation_counts,
    observations_of,
    open_calls,
    operation_by_id,
    operation_page,
    operations_by_id,
    operations_by_seq,
    reading_values,
    registered_objects,
    resource_states,
    resource_values,
    server_view,
    transitions_by_seq,
)
from app.models.waiting import Calls, may_be_full, needs_head, waiting_for
from app.schema.api.fleet_reads import FleetReads
from app.schema.budget import RESPONSE, RequestBudget


@dataclass(slots=True)
class LoadedOperation:
    """An operation with its related rows; those that the document does not select are None."""

    row: Operation
    endpoint: EndpointView | None
    waiting_for: WaitingFor | None
    last_step: TransitionView | None


class Reads:
    """Reads for one document.

    Large values of a list are read only after their total size was reserved in the budget of the response.

    Attributes:
        names: all names in the document's text.
        repeats: maximum number of times that a row's large value occurs in the response; 0 if none is selected.
        steps_repeat: whether large values are selected again with each of an operation's ``transitions``.
    """

    def __init__(self, budget: RequestBudget, rules: Rules) -> None:
        self.names: frozenset[str] = frozenset()
        self.repeats = 0
        self.steps_repeat = False
        self._budget = budget
        self._rules = rules
        self._registered: DataLoader[int, tuple[str | None, str | None]] | None = None
        self._by_seq: DataLoader[int, LoadedOperation | None] | None = None
        """Created on demand, because it refers to this object: a reference cycle has to be garbage collected."""
        self._observations: DataLoader[int, list[ObservationView]] | None = None
        self._counts: DataLoader[int, Mapping[ObservationState, int]] | None = None
        self._fleet: FleetReads | None = None

    def forget(self) -> None:
        """Drop cached rows, after a mutation and for each event of a subscription."""
        self._by_seq = self._registered = self._observations = self._counts = self._fleet = None

    @property
    def fleet(self) -> FleetReads:
        """The reads of fleet work."""
        if self._fleet is None:
            self._fleet = FleetReads(self)
        return self._fleet

    def begin_event(self) -> None:
        """Drop cached rows and reset the budget of the response for the next event of a subscription."""
        self.forget()
        self._budget.renew(RESPONSE)

    @property
    def large(self) -> Large:
        """Mode of reading large values with the rows of a list."""
        return Large.SHORT if self.repeats else Large.NONE

    def reserve(self, size: int) -> None:
        """Reserve bytes for large values in the response, multiplied by the number of their selections.

        Raises:
            ApiError: LIMIT_EXCEEDED.
        """
        self._budget.spend(RESPONSE, size * self.repeats)

    async def _load_by_seq(self, seqs: Sequence[int]) -> list[LoadedOperation | None]:
        views = await operations_by_seq(set(seqs), self.large)
        made = dict(zip(views, await self.operations(list(views.values())), strict=True))
        return [made.get(seq) for seq in seqs]

    async def operation_by_seq(self, seq: int) -> LoadedOperation | None:
        """Return an operation, read in a batch with concurrent calls; None if it does not exist any more."""
        if self._by_seq is None:
            self._by_seq = DataLoader(load_fn=self._load_by_seq)
        return await self._by_seq.load(seq)

    async def operation_by_id(self, id_: str, *, reserved: bool = False) -> LoadedOperation | None:
        view = await operation_by_id(id_, self.large)
        return (await self.operations([view], reserved=reserved))[0] if view else None

    async def reserve_operation(self, id_: str) -> None:
        """Reserve the size of an operation before a mutation changes it. Raises as :meth:`reserve` does."""
        if self.repeats and (view := await operation_by_id(id_, self.large)):
            self.reserve(_size([view], await self._endpoints_of([view])))

    async def reserve_new(self, news: Iterable[NewOperation]) -> int:
        """Reserve the size of operations before they are created, and return it in bytes.

        Raises:
            ApiError: as :meth:`reserve` does.
        """
        if not self.repeats:
            return 0
        size, counts = 0, Counter[str]()
        for new in news:
            size += new.weight
            counts[new.request.endpoint] += 1
        if self._reads_endpoints:
            for name, count in counts.items():
                view = await endpoint_by_name(name, self.large)
                size += view.weight * count if view else 0
        self.reserve(size)
        return size

    async def operations_by_id(self, ids: Sequence[str], reserved: int | None) -> dict[str, LoadedOperation]:
        """Return operations by their UUIDs. ``reserved`` is the number of reserved bytes; None if no more are needed.

        Raises:
            ApiError: as :meth:`reserve` does.
        """
        views = await operations_by_id(ids, self.large)
        read = list(views.values())
        if reserved is not None:
            self.reserve(max(0, _size(read, await self._endpoints_of(read)) - reserved))
        return dict(zip(views, await self.operations(read, reserved=True), strict=True))

    async def operation_page(
        self, criteria: OperationCriteria, first: int, after: str | None
    ) -> tuple[Page[Operation], list[LoadedOperation]]:
        page = await operation_page(criteria, first, after, self.large)
        return page, await self.operations(page.items)

    async def operations(
        self,
        views: Sequence[Operation],
        endpoints: Mapping[int, EndpointView] | None = None,
        *,
        reserved: bool = False,
    ) -> list[LoadedOperation]:
        """Return operations with endpoint, ``waitingFor`` and last transition if they are selected.

        Args:
            endpoints: endpoints of the operations by id, if they have been read.
            reserved: whether the size of the operations is reserved.

        Raises:
            ApiError: as :meth:`reserve` does.
        """
        if not views:
            return []
        waiting = "waitingFor" in self.names
        if endpoints is None:
            endpoints = await self._endpoints_of(views)
        if self.repeats:
            if not reserved:
                self.reserve(_size(views, endpoints))
            views = await self._with_values(views)
            endpoints = await self._with_links(endpoints)
        waits = await self._waits(views, endpoints) if waiting else {}
        steps = await self._last_steps(views) if "lastTransition" in self.names else {}
        return [
            LoadedOperation(view, endpoints.get(view.endpoint_id), waits.get(view.seq), steps.get(view.last_seq))
            for view in views
        ]

    @property
    def _reads_endpoints(self) -> bool:
        return not self.names.isdisjoint(("endpoint", "waitingFor"))

    async def _endpoints_of(self, views: Sequence[Operation]) -> Mapping[int, EndpointView]:
        """Return the endpoints of the operations by id; none if they are not selected."""
        if not self._reads_endpoints:
            return {}
        return await endpoints_by_id({view.endpoint_id for view in views}, self.large)

    async def _with_values(self, views: Sequence[Operation]) -> Sequence[Operation]:
        """Return the same operations with their large values."""
        heavy = [view.seq for view in views if view.weight > INLINE]
        if not heavy:
            return views
        full = await operations_by_seq(heavy)
        return [replace(full[v.seq], weight=v.weight) if v.seq in full else v for v in views]

    async def _with_links(self, endpoints: Mapping[int, EndpointView]) -> Mapping[int, EndpointView]:
        """Return the same endpoints with their large values."""
        return {view.id: view for view in await self.whole_endpoints(list(endpoints.values()), reserved=True)}

    async def whole_endpoints(self, views: Sequence[EndpointView], *, reserved: bool = False) -> list[EndpointView]:
        """Return the same endpoints with the selected large values. Raises as :meth:`reserve` does."""
        if not self.repeats:
            return list(views)
        if not reserved:
            self.reserve(sum(view.weight for view in views))
        heavy = [view.id for view in views if view.weight > INLINE]
        full = await endpoints_by_id(heavy)
        return [replace(full[v.id], weight=v.weight) if v.id in full else v for v in views]

    async def observations(self, endpoint_id: int) -> list[ObservationView]:
        """Return the observations of an endpoint, read in a batch with concurrent calls."""
        if self._observations is None:
            self._observations = DataLoader(load_fn=self._load_observations)
        views = await self._observations.load(endpoint_id)
        self.reserve(sum(len(view.detail or "") for view in views))
        return views

    async def _load_observations(self, endpoint_ids: Sequence[int]) -> list[list[ObservationView]]:
        found = await observations_of(endpoint_ids, reports="lastReportAt" in self.names)
        return [found[id_] for id_ in endpoint_ids]

    async def observation_counts(self, rule_id: int) -> Mapping[ObservationState, int]:
        """Return the number of endpoints in each state of a rule, read in a batch with concurrent calls."""
        if self._counts is None:
            self._counts = DataLoader(load_fn=_load_counts)
        return await self._counts.load(rule_id)

    async def resource_states(self, endpoint_id: int, path_prefix: str | None) -> list[ResourceStateView]:
        states = await resource_states(endpoint_id, path_prefix, self.large)
        self.reserve(sum(state.weight for state in states))
        values = await resource_values(endpoint_id, heavy) if (heavy := _heavy(states)) else {}
        return [replace(state, value_json=values.get(state.path, state.value_json)) for state in states]

    async def resource_state(self, change: ReadingView) -> ResourceStateView:
        """Return the state with the value of a change, which is null if it was deleted meanwhile."""
        if not self.repeats or change.weight <= INLINE:
            return change
        return (await self.whole_readings([change]))[0]

    async def whole_readings(self, views: Sequence[ReadingView]) -> list[ReadingView]:
        """Return the same readings with their large values. Raises as :meth:`reserve` does."""
        self.reserve(sum(view.weight for view in views))
        heavy = [view.seq for view in views if view.weight > INLINE]
        values = await reading_values(heavy) if heavy and self.repeats else {}
        return [replace(view, value_json=values.get(view.seq, view.value_json)) for view in views]

    async def registered_objects(self, endpoint_id: int) -> tuple[str | None, str | None]:
        """Return the stored object links of an endpoint and its LwM2M version, read in a batch with concurrent calls;
        both None if it has not registered."""
        if self._registered is None:
            self._registered = DataLoader(load_fn=_load_registered)
        return await self._registered.load(endpoint_id)

    async def _waits(self, views: Sequence[Operation], endpoints: Mapping[int, EndpointView]) -> dict[int, WaitingFor]:
        server = await server_view()
        contested = {view.endpoint_id for view in views if needs_head(view, endpoints[view.endpoint_id])}
        heads = await heads_of(contested)
        calls: Calls | None = None

        def wait(view: Operation) -> WaitingFor:
            endpoint = endpoints[view.endpoint_id]
            head, window = heads.get(view.endpoint_id), self._rules.awake_window
            return waiting_for(view, endpoint, server, server.now, head, calls=calls, window=window)

        waits = {view.seq: wait(view) for view in views}
        most = min(self._rules.max_in_flight, server.open_calls or self._rules.max_in_flight)
        if WaitingFor.CLAIM in waits.values() and may_be_full(server, most):
            calls = Calls(*await open_calls(), most)
            waits |= {view.seq: wait(view) for view in views if waits[view.seq] is WaitingFor.CLAIM}
        return waits

    async def _last_steps(self, views: Sequence[Operation]) -> dict[int, TransitionView]:
        return await transitions_by_seq({view.last_seq for view in views})


async def _load_counts(rule_ids: Sequence[int]) -> list[Mapping[ObservationState, int]]:
    counts = await observation_counts(rule_ids)
    return [counts[id_] for id_ in rule_ids]


def _size(views: Sequence[Operation], endpoints: Mapping[int, EndpointView]) -> int:
    """Return the size in bytes of the large values of operations, and of their endpoints if those were read."""
    size = sum(view.weight + len(view.detail or "") + len(view.paths) for view in views)
    return size + (sum(endpoints[view.endpoint_id].weight for view in views) if endpoints else 0)


async def _load_registered(endpoint_ids: list[int]) -> list[tuple[str | None, str | None]]:
    found = await registered_objects(set(endpoint_ids))
    return [found.get(id_, (None, None)) for id_ in endpoint_ids]


def _heavy(states: Sequence[ResourceStateView]) -> list[str]:
    return [state.path for state in states if state.weight > INLINE]
