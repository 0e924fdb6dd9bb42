"""A ledger on a real database whose clock only the test moves, and short names for a test's inputs."""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.dispatcher.verdict import judge
from app.domain.enums import SECOND, OperationKind, OperationStatus, ValueType
from app.domain.events import Awake, Deregistered, Event, Registered, Registration, RequestResponse, Sleeping, Updated
from app.domain.operations import OperationRequest, repeatable_by_kind
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.verdicts import Report
from app.models.ledger import (
    Claim,
    Claimed,
    Create,
    DecodedEvent,
    IngestEvents,
    Ledger,
    Rules,
    Settle,
    Sweep,
    open_store,
)
from app.models.ledger.store import Store, StoreUnavailable
from app.models.operation import NewOperation

START: Final = 1_700_000_000 * SECOND

SUCCESS: Final = Report(Outcome(OutcomeKind.SUCCESS, 200, 204, "CHANGED(204)"))
SILENT: Final = Report(Outcome(OutcomeKind.DEVICE_SILENT, 504, detail="Request timeout"))
LOST: Final = Report(Outcome(OutcomeKind.ANSWER_LOST, detail="connection closed"))
REFUSED: Final = Report(Outcome(OutcomeKind.DEVICE_ANSWERED_NO, 200, 404, "NOT_FOUND(404)"))
BUSY: Final = Report(Outcome(OutcomeKind.DEVICE_ANSWERED_NO, 200, 503, "SERVICE_UNAVAILABLE(503)"))
ERROR: Final = Report(Outcome(OutcomeKind.DEVICE_ANSWERED_NO, 200, 500, "INTERNAL_SERVER_ERROR(500)"))
UNCONNECTED: Final = Report(Outcome(OutcomeKind.NOT_CONNECTED, 500, detail="peer is not connected"))
ASLEEP: Final = Report(Outcome(OutcomeKind.ASLEEP, 409, detail="CLIENT_SLEEPING"))
UNREGISTERED: Final = Report(Outcome(OutcomeKind.NOT_REGISTERED, 400, detail="No registered client with id 'd'"))
UNREACHABLE: Final = Report(Outcome(OutcomeKind.UNREACHABLE, detail="connection refused"))
PROXY: Final = Report(Outcome(OutcomeKind.PROXY_ERROR, 502, detail="Bad Gateway"))
FROZEN: Final = Report(Outcome(OutcomeKind.ANSWER_LOST, detail="our deadline passed", deadline_passed=True))


def delayed(request_id: str, under: str | None = "r1") -> Report:
    """Return a report that Leshan holds the request under the registration ``under``; None: it did not report which."""
    held_under = None if under is None else registration(under)
    return Report(Outcome(OutcomeKind.DELAYED, 200, request_id=request_id), held_under=held_under)


def registration(id_: str | None = "r1", last_update: int | None = 1, **more: Any) -> Registration:
    more.setdefault("registered_at", 1)
    more.setdefault("lifetime_seconds", 3600)
    more.setdefault("queue_mode", True)
    return Registration(registration_id=id_, last_update=last_update, **more)


def registered(
    endpoint: str, id_: str | None = "r1", last_update: int | None = 1, age: float = 0, **more: Any
) -> Event:
    return Registered(endpoint=endpoint, age=int(age * SECOND), registration=registration(id_, last_update, **more))


def updated(
    endpoint: str, last_update: int | None, id_: str | None = "r1", age: float = 0, ordered: bool = False, **more: Any
) -> Event:
    told = registration(id_, last_update, **more)
    return Updated(endpoint=endpoint, age=int(age * SECOND), ordered=ordered, registration=told)


def deregistered(endpoint: str, id_: str | None = "r1", **more: Any) -> Event:
    return Deregistered(endpoint=endpoint, registration=registration(id_, **more))


def old_registered(endpoint: str, date: int) -> Event:
    """Return an event in the older webhook form, which has only the registration's date; so do the next two."""
    return Registered(endpoint=endpoint, registration=Registration(registered_at=date))


def old_updated(endpoint: str, date: int) -> Event:
    return Updated(endpoint=endpoint, registration=Registration(registered_at=date))


def old_unregistered(endpoint: str, date: int) -> Event:
    return Deregistered(endpoint=endpoint, registration=Registration(registered_at=date))


def awake(endpoint: str, age: float = 0) -> Event:
    return Awake(endpoint=endpoint, age=int(age * SECOND))


def sleeping(endpoint: str, ordered: bool = True, age: float = 0) -> Event:
    return Sleeping(endpoint=endpoint, ordered=ordered, age=int(age * SECOND))


def response(endpoint: str, request_id: str, report: Report, age: float = 0) -> DecodedEvent:
    event = RequestResponse(endpoint=endpoint, age=int(age * SECOND), request_id=request_id, response={})
    return DecodedEvent(event, report=report)


def new_operation(
    request: OperationRequest,
    *,
    priority: int = 0,
    max_attempts: int = 3,
    repeatable: bool | None = None,
    fingerprint: str = "",
    **more: Any,
) -> NewOperation:
    """Return an operation to be created; ``repeatable`` follows from its kind if it is not given."""
    by_kind = repeatable_by_kind(request.kind, request.path)
    facts: dict[str, Any] = {"id": str(uuid.uuid4()), "validated": False, **more}
    return NewOperation(
        request=request,
        priority=priority,
        max_attempts=max_attempts,
        repeatable=by_kind if repeatable is None else repeatable,
        fingerprint=fingerprint,
        **facts,
    )


def new(
    endpoint: str,
    kind: OperationKind = OperationKind.WRITE,
    path: str | None = "/5/0/1",
    *,
    paths: Sequence[str] = (),
    value: Any = "x",
    timeout: int = 30,
    **more: Any,
) -> NewOperation:
    typed = ValueType.STRING if kind is OperationKind.WRITE else None
    request = OperationRequest(
        endpoint=endpoint,
        kind=kind,
        path=path,
        paths=tuple(paths) if path is None else (path,),
        value_type=typed,
        value=value if typed else None,
        timeout_seconds=timeout,
    )
    more.setdefault("fingerprint", f"{kind} {path} {value!r}")
    return new_operation(request, **more)


@dataclass
class LosingStore:
    """A store whose connection breaks on command: after a COMMIT was executed, or before."""

    store: Store
    after_commit: int = 0
    before_commit: int = 0
    opened: int = 0
    postgres: bool = field(init=False)

    def __post_init__(self) -> None:
        self.postgres = self.store.postgres

    async def open(self) -> None:
        self.opened += 1
        await self.store.open()

    async def commit(self) -> None:
        if self.before_commit:
            self.before_commit -= 1
            await self.store.close()
            raise StoreUnavailable("the connection broke before the commit")
        await self.store.commit()
        if self.after_commit:
            self.after_commit -= 1
            await self.store.close()
            raise StoreUnavailable("the connection broke, and nobody knows whether it was committed")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


REBOOT: Final = (OperationKind.EXECUTE, "/3/0/4")


TABLES: Final = (
    *("transition", "presence_change", "reading", "reading_hour", "resource_state", "early_response", "ledger_counter"),
    *("campaign_change", "campaign_target", "campaign", "firmware_update", "firmware_package"),
    *("dispatch_pause", "observation", "observation_rule", "operation_batch", "operation", "endpoint"),
    *("audit_event", "api_token", "firmware_package"),
)
"""The ledger's tables, each before those that its rows refer to."""


@dataclass(slots=True)
class LedgerWorld:
    """One database with one clock, and as many ledgers (processes) as a test needs."""

    url: str
    reader: Store
    now: int = START
    ledgers: list[Ledger] = field(default_factory=list)
    published: list[str] = field(default_factory=list)

    async def ledger(self, store: Store | None = None, *, clock: bool = True, **rules: Any) -> Ledger:
        """Start a further process's ledger; with ``clock`` False it uses the database's time."""
        made = Ledger(
            store or open_store(self.url, unsafe=True),
            Rules(judge=judge, **rules),
            notify=self.published.append,
            clock=(lambda _now: self.now) if clock else (lambda now: now),
        )
        await made.start()
        self.ledgers.append(made)
        return made

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    async def ingest(self, *events: Event | DecodedEvent, missed: bool = False, delivery: str | None = None) -> None:
        heard = [event if isinstance(event, DecodedEvent) else DecodedEvent(event) for event in events]
        await self.ledgers[0].submit(IngestEvents(heard, delivery_id=delivery, missed=missed))

    async def create(self, *operations: NewOperation) -> list[int]:
        return [created.seq for created in await self.ledgers[0].submit(Create(operations))]

    async def claim(self, slots: int = 100, ledger: Ledger | None = None) -> list[Claimed]:
        return await (ledger or self.ledgers[0]).submit(Claim(slots, str(uuid.uuid4())))

    async def claim_one(self) -> Claimed:
        (claimed,) = await self.claim()
        return claimed

    async def settle(self, claimed: Claimed, report: Report) -> OperationStatus | None:
        return await self.ledgers[0].submit(Settle(claimed.seq, claimed.attempt, report))

    async def attempt(self, report: Report) -> OperationStatus | None:
        """Claim the one operation that is ready, and settle it with this report."""
        return await self.settle(await self.claim_one(), report)

    async def send_all(self) -> list[int]:
        """Claim and confirm operations as long as one can be sent; return their ``seq`` in the order of sending."""
        order: list[int] = []
        while claimed := await self.claim():
            order.append(claimed[0].seq)
            await self.settle(claimed[0], SUCCESS)
        return order

    async def clear(self) -> None:
        """Delete everything but the Leshan server's own row."""
        for table in TABLES:
            await self.reader.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours

    async def sweep(self) -> None:
        while await self.ledgers[0].submit(Sweep()):
            pass

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.reader.fetch(sql, *values)]

    async def row(self, sql: str, *values: Any) -> dict[str, Any]:
        (row,) = await self.rows(sql, *values)
        return row

    async def endpoint(self, name: str) -> dict[str, Any]:
        return await self.row("SELECT * FROM endpoint WHERE name = $1", name)

    async def operation(self, seq: int) -> dict[str, Any]:
        return await self.row("SELECT * FROM operation WHERE seq = $1", seq)

    async def server(self) -> dict[str, Any]:
        return await self.row("SELECT * FROM leshan_server WHERE id = 1")

    async def status(self, seq: int) -> str:
        return str((await self.operation(seq))["status"])

    async def presence(self, name: str) -> str:
        return str((await self.endpoint(name))["presence"])

    async def presence_changes(self, name: str) -> list[str]:
        """Return the presence changes that subscribers receive."""
        sql = "SELECT presence FROM presence_change WHERE endpoint_id = $1 ORDER BY seq"
        return [row["presence"] for row in await self.rows(sql, (await self.endpoint(name))["id"])]

    async def steps(self, seq: int) -> list[tuple[str, str | None]]:
        """Return (status, reason) of an operation's transitions."""
        sql = "SELECT to_status, reason FROM transition WHERE operation_id = $1 ORDER BY number"
        return [(row["to_status"], row["reason"]) for row in await self.rows(sql, seq)]

    async def heads(self, claimed: Sequence[Claimed]) -> list[str]:
        return [claim.request.endpoint for claim in claimed]


class CountingStore:
    """A store that records the calls of its methods."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return functools.partial(self._ask, name, found) if inspect.iscoroutinefunction(found) else found

    async def _ask(self, name: str, ask: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        self.asked.append(name)
        return await ask(*given)
