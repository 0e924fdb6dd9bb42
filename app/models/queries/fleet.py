"""Firmware packages."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from app.domain.enums import Instant
from app.models.queries.access import fetch
from app.models.queries.views import Row, columns


@dataclass(slots=True)
class PackageView:
    """A firmware package. ``uri`` is None if it was uploaded."""

    id: int
    name: str
    version: str
    uri: str | None
    size: int | None
    sha256: str | None
    created_at: Instant
    created_by: str | None
    key: str
    retired_at: Instant | None

    @classmethod
    def load(cls, row: Row) -> Self:
        return cls(*row)


_COLUMNS: Final = columns(PackageView, "p")
LISTED: Final = f"SELECT {_COLUMNS} FROM firmware_package p WHERE p.retired_at IS NULL ORDER BY p.id DESC"
BY_ID: Final = f"SELECT {_COLUMNS} FROM firmware_package p WHERE p.id = ANY($1::bigint[])"
KEYS: Final = "SELECT key FROM firmware_package WHERE retired_at IS NULL AND uri IS NULL"


async def firmware_packages() -> list[PackageView]:
    """Return the packages that were not removed from the list, newest first.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    return [PackageView.load(row) for row in await fetch(LISTED)]


async def firmware_packages_by_id(ids: Collection[int]) -> dict[int, PackageView]:
    """Return packages by their ids, also those that were removed from the list. Raises as :func:`firmware_packages`."""
    return {row[0]: PackageView.load(row) for row in await fetch(BY_ID, [list(ids)])}


async def firmware_package_by_id(id_: int) -> PackageView | None:
    """Return a package that was not removed from the list. Raises as :func:`firmware_packages`."""
    found = (await firmware_packages_by_id([id_])).get(id_)
    return None if found is None or found.retired_at is not None else found


async def stored_package_keys() -> set[str]:
    """Return the keys of the packages whose content is stored here. Raises as :func:`firmware_packages`."""
    return {row[0] for row in await fetch(KEYS)}
