"""Campaigns on the ledger alone, with devices that answer what is queued for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.campaigns import CampaignDefinition, CampaignFirmware, CampaignOperation
from app.domain.enums import CampaignTargetState, OperationKind, ValueType
from app.domain.operations import OperationRequest
from app.fleet.campaigns import AdvanceCampaign, CreateCampaign
from app.models.ledger import Claimed, Ledger
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, registered, updated

LINKS: Final = [{"url": url} for url in ("/", "/3/0", "/5/0")]
PACKAGE: Final = 7
TOGETHER: Final = 500


def operation(path: str = "/3/0/15", **more: Any) -> CampaignOperation:
    """Return a WRITE of a text."""
    request = OperationRequest("", OperationKind.WRITE, path, (path,), ValueType.STRING, "x")
    return CampaignOperation(request=request, **{"max_attempts": 3, "repeatable": True, "fingerprint": path, **more})


def definition(name: str = "c", **more: Any) -> CampaignDefinition:
    """Return a campaign of all endpoints with one operation."""
    facts: dict[str, Any] = {"given_filter": {}, "criteria": {}, "operations": (operation(),), **more}
    if facts.get("firmware") is not None:
        facts["operations"] = ()
    return CampaignDefinition(name=name, **facts)


FIRMWARE: Final = CampaignFirmware(PACKAGE)


@dataclass(slots=True)
class Fleet:
    """A world with devices, each of which is registered.

    Attributes:
        failing: the devices that refuse every request.
        updates: how often the devices have sent an update of their registrations.
        held: requests that devices have received and not answered.
    """

    world: LedgerWorld
    failing: set[str] = field(default_factory=set)
    updates: int = 1
    held: list[Claimed] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return self.world.ledgers[0]

    async def register(self, names: Iterable[str], **more: Any) -> None:
        facts: dict[str, Any] = {"object_links": LINKS, "lifetime_seconds": 30_000_000, **more}
        events = [registered(name, f"r-{name}", self.updates, **facts) for name in names]
        for first in range(0, len(events), TOGETHER):
            await self.world.ingest(*events[first : first + TOGETHER])

    async def add_package(self, id_: int = PACKAGE) -> None:
        sql = (
            "INSERT INTO firmware_package (id, name, version, uri, created_at, key) "
            "VALUES ($1, 'image', '2.0.0', 'http://192.0.2.9/image', 0, 'k')"
        )
        await self.world.reader.execute(sql, id_)

    async def create(self, name: str = "c", **more: Any) -> int:
        return await self.ledger.submit(CreateCampaign(definition(name, **more), "operator"))

    async def begin(self, name: str = "c", **more: Any) -> int:
        """Create a campaign, and do what there is to do."""
        id_ = await self.create(name, **more)
        await self.advance(id_)
        return id_

    async def advance(self, id_: int) -> int:
        """Do what there is to do for a campaign now; return the number of pieces."""
        pieces = 1
        while await self.ledger.submit(AdvanceCampaign(id_)):
            pieces += 1
        return pieces

    async def pass_(self, seconds: float, id_: int) -> None:
        """Let time pass, and do what there is to do then."""
        self.world.pass_(seconds)
        await self.advance(id_)

    async def answer(self, *ids: int, only: Collection[str] | None = None) -> int:
        """Let the devices (or ``only`` these) answer what is queued, then do what there is to do for these campaigns;
        return the number of answers."""
        answers = 0
        await self.wake()
        claimed = [*self.held, *await self.world.claim(1_000)]
        self.held = []
        while claimed:
            for claim in claimed:
                name = claim.request.endpoint
                if only is not None and name not in only:
                    self.held.append(claim)
                    continue
                await self.world.settle(claim, REFUSED if name in self.failing else SUCCESS)
                answers += 1
            claimed = await self.world.claim(1_000)
        for id_ in ids:
            await self.advance(id_)
        return answers

    async def answer_all(self, *ids: int) -> None:
        """Answer until the devices have no more to do."""
        while await self.answer(*ids):
            pass

    async def wake(self) -> None:
        """Let the devices for which something is queued send an update of their registration."""
        self.updates += 1
        rows = await self.world.rows("SELECT name FROM endpoint WHERE queued > 0 AND deleted_at IS NULL ORDER BY name")
        facts: dict[str, Any] = {"object_links": LINKS, "lifetime_seconds": 30_000_000}
        events = [updated(row["name"], self.updates, f"r-{row['name']}", **facts) for row in rows]
        for first in range(0, len(events), TOGETHER):
            await self.world.ingest(*events[first : first + TOGETHER])

    async def campaign(self, id_: int) -> dict[str, Any]:
        return await self.world.row("SELECT * FROM campaign WHERE id = $1", id_)

    async def status(self, id_: int) -> tuple[str, str | None]:
        """Return the status of a campaign and the reason."""
        row = await self.campaign(id_)
        return row["status"], row["reason"]

    async def counts(self, id_: int) -> dict[str, int]:
        """Return the counters of a campaign that are not zero."""
        row = await self.campaign(id_)
        return {state: row[state.lower()] for state in CampaignTargetState if row[state.lower()]}

    async def targets(self, id_: int) -> list[dict[str, Any]]:
        """Return the targets in their order, with the names of their endpoints."""
        sql = """
            SELECT t.*, e.name FROM campaign_target t JOIN endpoint e ON e.id = t.endpoint_id
            WHERE t.campaign_id = $1 ORDER BY t.number
        """
        return await self.world.rows(sql, id_)

    async def states(self, id_: int) -> dict[str, str]:
        """Return the states of the targets, by name."""
        return {row["name"]: row["state"] for row in await self.targets(id_)}

    async def running(self, id_: int) -> list[str]:
        return [name for name, state in (await self.states(id_)).items() if state == "RUNNING"]

    async def end_update(self, name: str, state: str = "SUCCEEDED", reason: str | None = None) -> None:
        """End the firmware update of a device, as the ledger does."""
        row = await self.world.row(
            "SELECT u.id, u.target_id, u.state FROM firmware_update u JOIN endpoint e ON e.update_id = u.id "
            "WHERE e.name = $1",
            name,
        )
        now, execute = self.world.now, self.world.reader.execute
        sets = "state = $2, reason = $3, finished_at = $4, due_at = NULL, step = NULL"
        await execute(f"UPDATE firmware_update SET {sets} WHERE id = $1", row["id"], state, reason, now)  # noqa: S608
        await execute("UPDATE endpoint SET update_id = NULL WHERE name = $1", name)
        await execute("UPDATE campaign_target SET due_at = $2 WHERE id = $1", row["target_id"], now)
        await execute("UPDATE ledger_counter SET value = value - 1 WHERE name = $1", f"update {row['state']}")


def names(count: int, prefix: str = "d") -> list[str]:
    """Return the names of so many devices, in order."""
    return [f"{prefix}{number:05}" for number in range(1, count + 1)]
