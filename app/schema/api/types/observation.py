"""Observation rules, and what they want of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from app.domain.enums import ObservationState as State
from app.models.fields import load_json
from app.models.queries import EndpointView, ObservationView, RuleView
from app.schema.api.context import Info
from app.schema.api.enums import ObservationState
from app.schema.api.fields import resolved
from app.schema.api.ids import rule_id
from app.schema.api.scalars import JSON, DateTime, clamped_int, stored_json, time_or_none
from app.schema.api.types.node import Node

if TYPE_CHECKING:
    from app.schema.api.types.device import DeviceOperation


@strawberry.type(description="Number of endpoints on which an observation rule has a state.")
class ObservationCount:
    state: ObservationState = strawberry.field(description="The state.")
    count: int = strawberry.field(description="Number of endpoints.")


@strawberry.type(
    description="What the endpoints of a filter should observe and read: desired state, which is established at every "
    "registration and whenever an observation ended."
)
class ObservationRule(Node):
    name: str = strawberry.field(description="Unique name.")
    filter: JSON = strawberry.field(
        description="The `EndpointFilter` as it was given. It is evaluated whenever the rule is applied to an endpoint."
    )
    paths: list[str] = strawberry.field(
        description='Paths to observe; "*" stands for every instance, for example "/3303/*/5700".'
    )
    composite: bool = strawberry.field(description="Whether one composite observation has all of the paths.")
    attributes: JSON | None = strawberry.field(
        description="Notification attributes that are written to the paths before they are observed, "
        "`{name: number}`; null if none."
    )
    read_paths: list[str] = strawberry.field(description="Paths to read at every registration.")
    enabled: bool = strawberry.field(
        description="Whether the rule is in force; the observations of a disabled one are canceled."
    )
    created_at: DateTime = strawberry.field(description="Time of creation.")
    created_by: str | None = strawberry.field(
        description="Name of the user who created the rule; null if it is not known."
    )
    key: strawberry.Private[int]

    @resolved("Number of endpoints by state: one entry for each state, also if the number is 0.")
    async def counts(self, info: Info) -> list[ObservationCount]:
        counts = await info.context.reads.observation_counts(self.key)
        return [ObservationCount(state=state, count=clamped_int(counts[state])) for state in State]


@strawberry.type(description="What an observation rule wants of an endpoint, and how far it is.")
class Observation:
    rule: ObservationRule = strawberry.field(description="The rule.")
    paths: list[str] = strawberry.field(
        description='Paths of the rule that the device has, with every instance instead of "*", sorted; for a rule '
        "without paths to observe the paths that it reads."
    )
    state: ObservationState = strawberry.field(
        description="State of all paths together: the first of PENDING, REFUSED, STALE and ESTABLISHED that one of "
        "them has."
    )
    since: DateTime = strawberry.field(description="Time since which it has this state.")
    last_report_at: DateTime | None = strawberry.field(
        description="Time of the latest value that was reported at or below one of the paths; null before the first."
    )
    detail: str | None = strawberry.field(
        description="Reason for the state, or that the device refused the attributes; null if there is none."
    )
    view: strawberry.Private[ObservationView]

    @resolved("Newest operation that was created for it; null if there is none, or if it was deleted.")
    async def operation(
        self, info: Info
    ) -> Annotated[DeviceOperation, strawberry.lazy("app.schema.api.types.device")] | None:
        from app.schema.api.types.device import operation_of  # noqa: PLC0415 - the types refer to each other

        seq = self.view.operation
        loaded = None if seq is None else await info.context.reads.operation_by_seq(seq)
        return None if loaded is None else operation_of(loaded)


@strawberry.type
class EndpointObservations:
    view: strawberry.Private[EndpointView]

    @resolved("What observation rules want of the endpoint, sorted by the names of the rules.")
    async def observations(self, info: Info) -> list[Observation]:
        return [observation_of(view) for view in await info.context.reads.observations(self.view.id)]


def rule_of(view: RuleView) -> ObservationRule:
    return ObservationRule(
        id=strawberry.ID(rule_id(view.id)),
        name=view.name,
        filter=JSON(load_json(view.given_filter_json)),
        paths=load_json(view.paths_json),
        composite=view.composite,
        attributes=stored_json(view.attributes_json),
        read_paths=load_json(view.read_paths_json),
        enabled=view.enabled,
        created_at=DateTime(view.created_at),
        created_by=view.created_by,
        key=view.id,
    )


def observation_of(view: ObservationView) -> Observation:
    return Observation(
        rule=rule_of(view.rule),
        paths=view.paths,
        state=view.state,
        since=DateTime(view.since),
        last_report_at=time_or_none(view.last_report_at),
        detail=view.detail,
        view=view,
    )
