"""Latest values of resources."""

from __future__ import annotations

import orjson
import strawberry

from app.domain.object_models import ResourceModel, resource_model
from app.domain.paths import LwM2mPath
from app.models.object_models import stored_versions
from app.models.observations import Observed
from app.models.queries import EndpointView, ResourceStateView
from app.schema.api.context import Info
from app.schema.api.enums import Presence, ReadingOrigin, TimeSource, ValueType
from app.schema.api.fields import resolved
from app.schema.api.scalars import JSON, DateTime

NUMBER = (
    "The value as a number: INTEGER, UNSIGNED_INTEGER and FLOAT, BOOLEAN as 0 or 1, TIME in seconds since the epoch. "
    "Null for other types and for a multiple-instance resource."
)


@strawberry.type
class NamedResource:
    """Base of what is about a resource of an endpoint: its path, with name and units from the object model."""

    path: str = strawberry.field(description='Path of the resource, for example "/3303/0/5700".')
    endpoint_id: strawberry.Private[int]

    @resolved("Name of the resource; null if its object model is not known.")
    async def name(self, info: Info) -> str | None:
        model = await self._model(info)
        return model.name if model else None

    @resolved("Units of the value; null if there are none, or the object model is not known.")
    async def units(self, info: Info) -> str | None:
        model = await self._model(info)
        return (model.units or None) if model else None

    async def _model(self, info: Info) -> ResourceModel | None:
        """Return the model of the resource, by the object version that the endpoint registered."""
        versions = stored_versions(*await info.context.reads.registered_objects(self.endpoint_id))
        return resource_model(info.context.services.object_models.of(versions), LwM2mPath.parse(self.path))


@strawberry.type(description="Latest known value of a resource.")
class ResourceState(NamedResource):
    type: ValueType = strawberry.field(
        description="LwM2M data type, which determines the form of `value` (see `JSON`)."
    )
    value: JSON = strawberry.field(description="Latest known value.")
    at: DateTime = strawberry.field(
        description="Time of the value: the device's timestamp if it is plausible, otherwise the time of receipt. The "
        "state is the value with the greatest `at`; of equal times, the value that arrived last."
    )
    received_at: DateTime = strawberry.field(description="Time at which Leshan received the value.")
    time_source: TimeSource = strawberry.field(description="Whose clock gave `at`.")
    origin: ReadingOrigin = strawberry.field(description="The kind of message that carried the value.")
    number: float | None = strawberry.field(description=NUMBER)
    observed: bool = strawberry.field(
        description="Whether an observation (OBSERVE or OBSERVE_COMPOSITE) under the current registration covers the "
        "resource, so that changes are reported. False after a new registration, an update from another address, a "
        "cancellation or the end of the observation: the value may then be outdated until a new OBSERVE."
    )


def resource_state(view: ResourceStateView, endpoint_id: int, observed: Observed) -> ResourceState:
    return ResourceState(
        endpoint_id=endpoint_id,
        path=view.path,
        type=view.type,
        value=JSON(_stored(view.value_json)),
        at=DateTime(view.at),
        received_at=DateTime(view.received_at),
        time_source=view.time_source,
        origin=view.origin,
        number=view.number,
        observed=observed.covers(view.path),
    )


def _stored(text: str | None) -> object:
    return None if text is None else orjson.Fragment(text)


def observed_of(view: EndpointView) -> Observed:
    return Observed(None if view.presence is Presence.OFFLINE else view.observations_json)
