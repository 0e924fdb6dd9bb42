"""Object models, and the objects that an endpoint registered."""

from __future__ import annotations

import strawberry

from app.domain.object_models import ObjectModel as Model
from app.schema.api.enums import ValueType


@strawberry.type(description="Definition of a resource of an object.")
class ResourceModel:
    resource_id: int = strawberry.field(description="Id of the resource within the object.")
    name: str = strawberry.field(description="Name.")
    description: str | None = strawberry.field(description="Description; null if none is known.")
    type: ValueType | None = strawberry.field(description="LwM2M data type; null for an executable resource.")
    operations: str = strawberry.field(description="R, W, RW or E; empty if neither is possible.")
    multiple: bool = strawberry.field(description="Whether the resource has several instances.")
    mandatory: bool = strawberry.field(description="Whether every instance of the object has the resource.")
    range: str | None = strawberry.field(
        description='Range or enumeration as in the object\'s definition, for example "0..100"; null if there is none.'
    )
    units: str | None = strawberry.field(description="Units; null if there are none.")


@strawberry.type(description="Definition of an LwM2M object, as Leshan provided it.")
class ObjectModel:
    object_id: int = strawberry.field(description="Id of the object.")
    version: str = strawberry.field(description='Version of the object, for example "1.1".')
    name: str = strawberry.field(description="Name.")
    description: str | None = strawberry.field(description="Description; null if none is known.")
    multiple: bool = strawberry.field(description="Whether the object has several instances.")
    mandatory: bool = strawberry.field(description="Whether every device has the object.")
    resources: list[ResourceModel] = strawberry.field(description="Resources, sorted by id.")


@strawberry.type(description="An object that an endpoint registered.")
class EndpointObject:
    object_id: int = strawberry.field(description="Id of the object.")
    version: str = strawberry.field(
        description="Version that the device registered, or else the default of its LwM2M release."
    )
    instances: list[int] = strawberry.field(description="Ids of the registered instances, sorted.")
    model: ObjectModel | None = strawberry.field(
        description="Definition of the object in this version; null if it is not known."
    )


def object_model_of(model: Model) -> ObjectModel:
    return ObjectModel(
        object_id=model.id,
        version=model.version,
        name=model.name,
        description=model.description or None,
        multiple=model.multiple,
        mandatory=model.mandatory,
        resources=[
            ResourceModel(
                resource_id=resource.id,
                name=resource.name,
                description=resource.description or None,
                type=resource.type,
                operations=resource.operations,
                multiple=resource.multiple,
                mandatory=resource.mandatory,
                range=resource.range or None,
                units=resource.units or None,
            )
            for resource in sorted(model.resources.values(), key=lambda one: one.id)
        ],
    )
