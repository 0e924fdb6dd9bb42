"""Firmware packages."""

from __future__ import annotations

from typing import Final

import strawberry

from app.domain.operations import PACKAGE_REFERENCE
from app.fleet.packages import package_uri
from app.models.fields import load_json
from app.models.queries import PackageView
from app.schema.api.ids import package_id
from app.schema.api.scalars import JSON, BigInt, DateTime, stored_json
from app.schema.api.types.node import Node


@strawberry.type(description="A firmware package, which devices download from another server or from this one.")
class FirmwarePackage(Node):
    name: str = strawberry.field(description="Name.")
    version: str = strawberry.field(description="Version exactly as devices that run it report it (`/3/0/3`).")
    uri: str | None = strawberry.field(
        description="Address from which devices download it. That of an uploaded package has its key; it is null if "
        "`REVEILLE_FIRMWARE_URL` is not set, so that devices cannot download it."
    )
    size: BigInt | None = strawberry.field(description="Size in bytes; null if it is not known.")
    sha256: str | None = strawberry.field(description="SHA-256 as 64 hex digits; null if it is not known.")
    created_at: DateTime = strawberry.field(description="Time of creation.")
    created_by: str | None = strawberry.field(
        description="Name of the user who created the package; null if it is not known."
    )


def package_of(view: PackageView, base: str | None) -> FirmwarePackage:
    """Return a package; ``base`` is the address below which devices download uploaded ones, None if there is none."""
    return FirmwarePackage(
        id=strawberry.ID(package_id(view.id)),
        name=view.name,
        version=view.version,
        uri=package_uri(view, base if view.retired_at is None else None),
        size=None if view.size is None else BigInt(view.size),
        sha256=view.sha256,
        created_at=DateTime(view.created_at),
        created_by=view.created_by,
    )


def written_value(stored: str | None) -> JSON | None:
    """Return the stored value of an operation for the response, without parsing it, unless it is a firmware package:
    then with the package's global id."""
    if stored is None or not stored.startswith(_REFERENCE):
        return stored_json(stored)
    return JSON({PACKAGE_REFERENCE: package_id(load_json(stored)[PACKAGE_REFERENCE])})


_REFERENCE: Final = f'{{"{PACKAGE_REFERENCE}":'
"""How the stored value of a firmware package begins."""
