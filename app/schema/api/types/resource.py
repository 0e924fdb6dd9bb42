"""Latest values of resources."""

from __future__ import annotations

import orjson
import strawberry

from app.domain.object_models import ResourceModel
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


@strawberry.type(description="Latest known value of a resource.")
class ResourceState:
    path: str = strawberry.field(description='Path of the resource, for example "/3303/0/5700".')
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
    endpoint_id: strawberry.Private[int]
    observed: bool = strawberry.field(
        description="Whether an observation (OBSERVE or OBSERVE_COMPOSITE) under the current registration covers the "
        "resource, so that changes are reported. False after a new registration, an update from another address, a "
        "cancellation or the end of the observation: the value may then be outdated until a new OBSERVE."
    )

    @resolved("Name of the resource; null if its object model is not known.")
    async def name(self, info: Info) -> str | None:
        model = await model_of_resource(info, self.endpoint_id, self.path)
        return model.name if model else None

    @resolved("Units of the value; null if there are none, or the object model is not known.")
    async def units(self, info: Info) -> str | None:
        model = await model_of_resource(info, self.endpoint_id, self.path)
        return (model.units or None) if model else None


async def model_of_resource(info: Info, endpoint_id: int, path: str) -> ResourceModel | None:
    """Return the model of a resource of an endpoint, by the object version that it registered."""
    resource = LwM2mPath.parse(path)
    versions = stored_versions(*await info.context.reads.registered_objects(endpoint_id))
    model = info.context.services.object_models.of(versions)(resource.object_id)
    return model.resources.get(resource.ids[2]) if model else None


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
