"""A scripted device with a Firmware Update object, for tests that use the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.enums import SECOND, FirmwareMethod, OperationKind, ReadingOrigin, ValueType
from app.domain.events import Reported
from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import TypedValue
from app.domain.verdicts import Report
from app.fleet.updates import AdvanceUpdates, UpdateFirmware, UpdateRules
from app.models.ledger import DecodedEvent, TypedSample
from tests.support.ledger import REFUSED, SUCCESS, LedgerWorld, registered, updated

ADDRESS: Final = "http://192.0.2.9/image"
LINKS: Final = [{"url": url} for url in ("/", "/3/0", "/5/0")]
NEW, OLD = "2.0.0", "1.9.0"
RULES: Final = UpdateRules(uri_of=lambda package: package.uri, max_push=1_048_576)
PACKAGE: Final = 7


@dataclass(slots=True)
class FirmwareDevice:
    """A device named ``d``: it answers each request from its resources, and does nothing by itself.

    ``answers`` are the reports on the next requests, instead of those that follow from the resources; ``sent`` has the
    requests, as kind, path and value.
    """

    world: LedgerWorld
    registration: int = 1
    version: str = OLD
    state: int = 0
    result: int = 0
    delivery: int | None = None
    protocols: dict[str, str] | None = None
    answers: list[Report] = field(default_factory=list)
    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    async def prepare(self, **package: Any) -> None:
        """Store a firmware package, and register."""
        facts: dict[str, Any] = {"id": PACKAGE, "version": NEW, "uri": ADDRESS, "size": None, **package}
        sql = (
            "INSERT INTO firmware_package (id, name, version, uri, size, created_at, key) "
            "VALUES ($1, 'image', $2, $3, $4, 0, 'k')"
        )
        await self.world.reader.execute(sql, facts["id"], facts["version"], facts["uri"], facts["size"])
        await self.register()

    async def register(self) -> None:
        facts: dict[str, Any] = {"object_links": LINKS, "lifetime_seconds": 3_000_000}
        await self.world.ingest(registered("d", f"r{self.registration}", self.world.now // SECOND, **facts))

    async def wake(self) -> None:
        """Send an update of the registration."""
        facts: dict[str, Any] = {"object_links": LINKS, "lifetime_seconds": 3_000_000}
        await self.world.ingest(updated("d", self.world.now // SECOND, f"r{self.registration}", **facts))
        await self.advance()

    async def reboot(self) -> None:
        """Come back with a new registration."""
        self.registration += 1
        await self.register()
        await self.advance()

    async def update(self, method: FirmwareMethod = FirmwareMethod.PULL) -> int:
        """Request the update; return its id."""
        return await self.world.ledgers[0].submit(UpdateFirmware("d", PACKAGE, method, 0, "operator"))

    async def advance(self, rules: UpdateRules = RULES) -> None:
        while await self.world.ledgers[0].submit(AdvanceUpdates(rules)):
            pass

    async def answer(self) -> tuple[str, str, Any]:
        """Answer the next request, and return it."""
        claimed = await self.world.claim_one()
        request = claimed.request
        report = self.answers.pop(0) if self.answers else self._report(request)
        self.sent.append((str(request.kind), request.path or "", request.value))
        await self.world.settle(claimed, report)
        await self.advance()
        return self.sent[-1]

    async def answer_all(self) -> None:
        """Answer requests as long as there are any."""
        while await self.world.rows("SELECT seq FROM operation WHERE status = 'QUEUED'"):
            await self.answer()

    async def report(self, *, advance: bool = True, **resources: int) -> None:
        """Report ``state`` or ``result``, and have it from now on."""
        for name, value in resources.items():
            setattr(self, name, value)
            path = {"state": "/5/0/3", "result": "/5/0/5"}[name]
            sample = TypedSample({path: TypedValue(ValueType.INTEGER, str(value))})
            event = Reported(endpoint="d", nodes={}, origin=ReadingOrigin.NOTIFICATION)
            await self.world.ingest(DecodedEvent(event, samples=[sample]))
        if advance:
            await self.advance()

    async def row(self) -> dict[str, Any]:
        return await self.world.row("SELECT * FROM firmware_update ORDER BY id DESC LIMIT 1")

    async def at(self) -> tuple[str, str | None]:
        """Return the state and the step of the newest update."""
        row = await self.row()
        return row["state"], row["step"]

    async def end(self) -> tuple[str, str | None]:
        """Return the state and the reason of the newest update."""
        row = await self.row()
        return row["state"], row["reason"]

    def _report(self, request: OperationRequest) -> Report:
        if request.kind is OperationKind.READ and request.path == "/3/0/3":
            return answered({"/3/0/3": self.version})
        if request.kind is OperationKind.READ:
            answer: dict[str, Any] = {"/5/0/3": str(self.state), "/5/0/5": str(self.result)}
            if self.delivery is not None:
                answer["/5/0/9"] = str(self.delivery)
            if self.protocols is not None:
                answer["/5/0/8"] = self.protocols
            return answered(answer)
        if request.kind is OperationKind.WRITE:
            self.state, self.result = (1 if request.value else 0), 0
        elif request.kind is OperationKind.EXECUTE:
            if self.state != 2:
                return REFUSED
            self.state = 3
        return SUCCESS


def answered(answer: dict[str, Any]) -> Report:
    """Return the report of a READ with these values by path."""
    return Report(Outcome(OutcomeKind.SUCCESS, 200, 205, "CONTENT(205)"), answer=answer)
