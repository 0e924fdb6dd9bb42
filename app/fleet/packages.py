"""Firmware packages: creation, removal from the list, and the address from which devices download them.

The content of an uploaded package is stored beside the database (``app/fleet/package_store.py``) under its ``key``:
before its row is written, and until the package is removed from the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from app.domain.campaigns import FINISHED
from app.models.ledger import Command, Conflict, LimitExceeded, NotFound
from app.models.ledger.commands import Phase
from app.models.ledger.group import Group
from app.models.ledger.store import Row

MAX_PACKAGES: Final = 500
"""Maximum number of packages in the list, which is returned as a whole."""

LISTED: Final = "SELECT id, key FROM firmware_package WHERE retired_at IS NULL"
KNOWN: Final = "SELECT retired_at FROM firmware_package WHERE id = $1"
OPEN_UPDATE: Final = "SELECT id FROM firmware_update WHERE package_id = $1 AND finished_at IS NULL LIMIT 1"
OPEN_CAMPAIGN: Final = f"""
    SELECT name FROM campaign
    WHERE package_id = $1 AND status NOT IN ({", ".join(f"'{status}'" for status in sorted(FINISHED))}) LIMIT 1
"""  # noqa: S608 - constants
_INSERT: Final = """
    INSERT INTO firmware_package (id, name, version, uri, size, sha256, created_at, created_by, key)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_RETIRE: Final = "UPDATE firmware_package SET retired_at = $2 WHERE id = $1"


class Package(Protocol):
    """What :func:`package_uri` needs of a package."""

    @property
    def id(self) -> int: ...
    @property
    def uri(self) -> str | None: ...
    @property
    def key(self) -> str: ...


def package_uri(package: Package, base: str | None) -> str | None:
    """Return the address from which devices download a package: its own or, if it was uploaded, one of Reveille below
    ``base`` (REVEILLE_FIRMWARE_URL); None if there is no ``base``."""
    return package.uri or uploaded_uri(package.id, package.key, base)


def uploaded_uri(id_: int, key: str, base: str | None) -> str | None:
    """Return the address from which devices download an uploaded package: at most 66 bytes longer than ``base``."""
    return None if base is None else f"{base}/firmware/{id_}?key={key}"


@dataclass(slots=True)
class CreateFirmwarePackage(Command[int]):
    """Create a validated package and return its id. ``uri`` is None if it was uploaded; ``key`` is 128 random bits as
    hex digits. Raise LimitExceeded if there are :data:`MAX_PACKAGES`."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    name: str
    version: str
    uri: str | None
    size: int | None
    sha256: str | None
    key: str
    by: str
    listed: dict[str, int] = field(default_factory=dict, init=False)

    async def find(self, group: Group) -> None:
        self.listed = {row["key"]: row["id"] for row in await group.store.fetch(LISTED)}

    def apply(self, group: Group) -> int:
        if self.key in self.listed:  # the response to the COMMIT was lost
            return self.listed[self.key]
        if len(self.listed) >= MAX_PACKAGES:
            raise LimitExceeded(f"Too many firmware packages; at most {MAX_PACKAGES} are allowed.", limit=MAX_PACKAGES)
        id_ = group.draw()
        row = (id_, self.name, self.version, self.uri, self.size, self.sha256, group.now, self.by, self.key)
        group.statements.append((_INSERT, [row]))
        return id_


@dataclass(slots=True)
class RetireFirmwarePackage(Command[int]):
    """Remove a package from the list and return its id; the row remains as long as an update or a campaign names it.
    Raise NotFound, or Conflict while an open update or a campaign that has not ended needs it."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    id: int
    known: Row | None = field(default=None, init=False)
    has_update: bool = field(default=False, init=False)
    campaign: str | None = field(default=None, init=False)

    async def find(self, group: Group) -> None:
        rows = await group.store.fetch(KNOWN, self.id)
        self.known = rows[0] if rows else None
        self.has_update = bool(await group.store.fetch(OPEN_UPDATE, self.id))
        campaigns = await group.store.fetch(OPEN_CAMPAIGN, self.id)
        self.campaign = campaigns[0]["name"] if campaigns else None

    def apply(self, group: Group) -> int:
        if self.known is None or (self.known["retired_at"] is not None and not group.again):
            raise NotFound("Unknown firmware package.", field="id")
        if self.campaign is not None:
            raise Conflict(f"The campaign {self.campaign!r} has not ended, and needs the package.", field="id")
        if self.has_update:
            raise Conflict("A firmware update that has not ended needs the package.", field="id")
        if self.known["retired_at"] is None:
            group.statements.append((_RETIRE, [(self.id, group.now)]))
        return self.id
