"""Health: whether the process is alive, and whether the whole path to the devices works; the problems, in JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.bus import BusHealth
from app.domain.enums import SECOND
from app.gauges import GAUGE_SECONDS, Gauges
from app.models.ledger.rows import NOT_OPEN
from app.models.queries import Lane, PauseView, ServerView, pauses, reading_through, server_view
from app.security import bearer_token
from app.telemetry import BREAKER_OPEN, DATABASE_UP

log = structlog.get_logger(__name__)

T = TypeVar("T")

DATABASE_SECONDS: Final = 3.0
ALIVE: Final = 10 * SECOND
"""A dispatcher sweeps every half second; after this long without a sweep, no dispatcher is considered alive."""


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one part of the path to the devices, and its problem.

    Attributes:
        cause: text of a driver or of the transport, which names hosts and users, or the name of the server in use; only
            for authenticated callers.
    """

    ok: bool
    detail: str
    cause: str | None = None

    def as_json(self, *, cause: bool = False) -> dict[str, object]:
        return {"ok": self.ok, "detail": f"{self.detail}: {self.cause}" if cause and self.cause else self.detail}


class Health:
    """The checks of one process.

    Args:
        write: makes the ledger of this process commit a row; raises if it cannot within :data:`DATABASE_SECONDS`.
        uses_stream: adds the check of the bridge.
        server: returns the database's server in use, if there is a choice.
        authenticates: returns whether a bearer token belongs to a viewer; viewers also receive the causes. None: no
            caller does.
        gauges: the metrics that are read from the database.
    """

    def __init__(
        self,
        server_id: int,
        bus: Callable[[], BusHealth],
        write: Callable[[], Coroutine[Any, Any, None]],
        *,
        uses_stream: bool,
        server: Callable[[], str | None] = lambda: None,
        authenticates: Callable[[str | None], Awaitable[bool]] | None = None,
        gauges: Gauges | None = None,
    ) -> None:
        self._server_id, self._bus, self._uses_stream = server_id, bus, uses_stream
        self._write, self._server, self._authenticates = write, server, authenticates
        self._writing: asyncio.Task[None] | None = None
        self._gauges = gauges
        self._updating: asyncio.Task[None] | None = None
        self._updated = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all checks."""
        return ("database", "bus", "leshan", "dispatcher", "pauses", *(("bridge",) if self._uses_stream else ()))

    def routes(self) -> list[Route]:
        return [
            Route("/health/live", self.live),
            Route("/health/ready", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def live(self, _request: Request) -> Response:
        """Respond with 200 as long as the event loop runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Respond with 200, or with 503 if something prevents operations from being sent. ``?only=database,bus`` limits
        the checks to these: an API process behind a load balancer serves well while Leshan is unavailable."""
        wanted = [name for name in request.query_params.get("only", "").split(",") if name]
        if unknown := [name for name in wanted if name not in self.names]:
            detail = f"unknown check {unknown[0]!r}; expected {', '.join(self.names)}"
            return JSONResponse({"status": "unknown", "detail": detail}, 400)
        checks = await self.checks(wanted)
        ok = all(check.ok for check in checks.values())
        token = bearer_token(request.headers.get("authorization"))
        cause = self._authenticates is not None and await self._authenticates(token)
        shown = {name: check.as_json(cause=cause) for name, check in checks.items()}
        body = {"status": "ok" if ok else "unavailable", "checks": shown}
        return JSONResponse(body, 200 if ok else 503)

    async def metrics(self, _request: Request) -> Response:
        """Respond with this process's metrics. What is read from the database is at most :data:`GAUGE_SECONDS` old,
        or absent if it cannot be read; concurrent and more frequent scrapes share one reading."""
        if self._updating is None or (self._updating.done() and time.monotonic() - self._updated >= GAUGE_SECONDS):
            self._updated = time.monotonic()
            self._updating = asyncio.create_task(self._update_gauges(), name="gauges")
        await asyncio.shield(self._updating)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _update_gauges(self) -> None:
        checks = await self._read()  # sets the breaker's gauge: the sweep of any process may have opened the breaker
        readable = "database" not in checks
        if self._gauges is not None:
            try:
                if readable:
                    await _within(DATABASE_SECONDS, self._gauges.update())
            except Exception as error:
                log.warning("gauges_not_read", error=str(error) or type(error).__name__)
                readable = False
            if not readable:
                self._gauges.clear()
        DATABASE_UP.set(readable)

    async def checks(self, only: Collection[str] = ()) -> dict[str, Check]:
        """Return all checks, or those with these names, within :data:`DATABASE_SECONDS`."""
        work = [self._read()]
        if not only or "database" in only:
            work.insert(0, self._database())
        # without the bus everything is only slower, so it never makes a process unready
        bus = self._bus()
        checks = {"bus": Check(ok=True, detail=bus.detail, cause=bus.node)}
        for found in await asyncio.gather(*work):
            checks |= found
        return {name: checks[name] for name in self.names if name in checks and (not only or name in only)}

    async def _read(self) -> dict[str, Check]:
        """Return the checks that are read from the database. The database's own check is included only if the read
        fails."""
        try:
            return await _within(DATABASE_SECONDS, self._server_checks())
        except Exception as error:
            BREAKER_OPEN.clear()
            unknown = Check(ok=False, detail="unknown: the database does not respond")
            return {**dict.fromkeys(self.names[2:], unknown), "database": _failed(error)}

    async def _database(self) -> dict[str, Check]:
        """Check whether a row can be committed. Concurrent requests share one commit: a flood of them costs no more
        than sequential requests."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="readiness")
        try:
            await asyncio.shield(self._writing)
        except Exception as error:
            return {"database": _failed(error)}
        return {"database": Check(ok=True, detail="readable and writable", cause=self._server())}

    async def _server_checks(self) -> dict[str, Check]:
        with reading_through(Lane.HEALTH):
            server, present = await server_view(), await pauses()
        BREAKER_OPEN.labels(server.name).set(server.breaker_opened_at is not None)
        checks = {
            "leshan": _leshan(server),
            "dispatcher": _alive(
                server.swept_at, server.now, "a dispatcher is running", "no dispatcher is running: nothing is sent"
            ),
        }
        checks["pauses"] = _pauses(present)
        if self._uses_stream:
            checks["bridge"] = _bridge(server)
        return checks


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of some work. After the timeout the work is canceled but not awaited: a statement without a
    response takes as long again to be canceled.

    Raises:
        TimeoutError: the work took longer.
    """
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        return task.result()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    task.cancel()
    raise TimeoutError(f"no answer within {seconds:g} s")


def _failed(error: Exception) -> Check:
    return Check(ok=False, detail="it cannot be written or read", cause=f"{type(error).__name__}: {error}"[:300])


def _leshan(server: ServerView) -> Check:
    if server.breaker_opened_at is None:
        return Check(ok=True, detail="no failure known")
    seconds = max(0, server.now - server.breaker_opened_at) // SECOND
    return Check(ok=False, detail=f"not called for {seconds} s", cause=server.breaker_reason)


def _pauses(present: list[PauseView]) -> Check:
    """Check whether all dispatch is paused, or that to a server. Paused endpoints are only reported in the detail."""
    wide = [pause for pause in present if pause.endpoint is None]
    if wide:
        what = "all dispatch" if wide[0].server is None else f"all dispatch to {wide[0].server}"
        since = moment(wide[0].paused_at)
        return Check(ok=False, detail=f"{what} is paused since {since} by {wide[0].paused_by}: {wide[0].reason}")
    endpoints = len(present)
    return Check(ok=True, detail=f"{endpoints} endpoints are paused" if endpoints else "nothing is paused")


def _bridge(server: ServerView) -> Check:
    held_since = server.bridge_until and server.bridge_until - ALIVE  # a lease expires this long after its last renewal
    missing = "no bridge is running: the event stream is not received"
    held = _alive(held_since, server.now, "a bridge is running", missing)
    if not held.ok or server.bridge_open_since is None:
        return held
    if server.bridge_open_since == NOT_OPEN:
        return Check(ok=False, detail="a bridge is running, but the event stream is not open")
    seconds = max(0, server.now - server.bridge_open_since) // SECOND
    return Check(ok=True, detail=f"the event stream is open since {moment(server.bridge_open_since)} ({seconds} s)")


def moment(instant: int) -> str:
    """Format a time for people and programs: RFC 3339, to the second."""
    return datetime.fromtimestamp(instant // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _alive(at: int | None, now: int, alive: str, otherwise: str) -> Check:
    if at is not None and at >= now - ALIVE:
        return Check(ok=True, detail=alive)
    return Check(ok=False, detail=otherwise)
