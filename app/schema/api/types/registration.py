"""Registration of an endpoint at Leshan."""

from __future__ import annotations

import strawberry

from app.models.queries import EndpointView
from app.schema.api.enums import Presence
from app.schema.api.scalars import JSON, DateTime, clamped_int, stored_json


@strawberry.type(description="A device's registration at Leshan. Fields that Leshan did not report are null.")
class Registration:
    registration_id: str | None = strawberry.field(description="Registration id assigned by Leshan.")
    registered_at: DateTime = strawberry.field(description="Time at which the registration became known.")
    last_update_at: DateTime = strawberry.field(
        description="Time of the registration or of its last update, whichever is later."
    )
    lifetime_seconds: int | None = strawberry.field(
        description="Registration lifetime in seconds; values above 2,147,483,647 (68 years) are returned as that."
    )
    lwm2m_version: str | None = strawberry.field(
        name="lwm2mVersion", description="LwM2M version of the device, for example `1.1`."
    )
    binding_mode: str | None = strawberry.field(
        description="Transport bindings that the device supports, for example `U` for UDP."
    )
    queue_mode: bool | None = strawberry.field(
        description="Whether the device uses queue mode. If null, it is assumed to use it."
    )
    address: str | None = strawberry.field(description="Network address from which the device registered.")
    object_links: JSON | None = strawberry.field(
        description='Registered objects and object instances: `[{"url": "/3/0", "attributes": {..}}]`.'
    )


def registration_of(view: EndpointView) -> Registration | None:
    # the row of an OFFLINE endpoint keeps its registration, so that late events of it are recognized
    if view.registered_at is None or view.presence is Presence.OFFLINE:
        return None
    return Registration(
        registration_id=view.registration_id,
        registered_at=DateTime(view.registered_at),
        last_update_at=DateTime(view.last_update_at or view.registered_at),
        lifetime_seconds=None if view.lifetime_seconds is None else clamped_int(view.lifetime_seconds),
        lwm2m_version=view.lwm2m_version,
        binding_mode=view.binding_mode,
        queue_mode=view.queue_mode,
        address=view.address,
        object_links=stored_json(view.object_links_json),
    )
