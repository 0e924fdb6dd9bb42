"""State of the log and the Leshan server: heads, counters, the database's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.enums import Instant, OperationStatus
from app.models.dialect import POSTGRES_NOW, sqlite_now
from app.models.ledger.pauses import SERVER_PAUSE
from app.models.queries.access import fetch, on_postgres
from app.models.queries.criteria import ENDPOINT_BY_NAME
from app.models.queries.views import ServerView

_COUNTERS: Final = ", ".join(status.lower() for status in OperationStatus)
_SERVER_PAUSE: Final = SERVER_PAUSE.format(server="leshan_server.id")
_SUMS: Final = ", ".join(f"CAST(coalesce(sum({status.lower()}), 0) AS BIGINT)" for status in OperationStatus)


@dataclass(frozen=True, slots=True)
class LogHead:
    """The newest committed ``seq``, and the one up to which the log has been pruned, of readings and of all else."""

    seq: int
    horizon: int
    reading_horizon: int


async def log_head() -> LogHead:
    """Return the log's current head and horizon."""
    (row,) = await fetch("SELECT seq, horizon, reading_horizon FROM ledger_head")
    return LogHead(*row)


async def log_position() -> int:
    """Return the newest committed ``seq``. Data read after this call is at least as new."""
    return (await log_head()).seq


async def server_view() -> ServerView:
    """Return the Leshan server (there is one today) with the database's time. Before any ledger has started there is
    none: then return an empty one, without a heartbeat."""
    now = POSTGRES_NOW if on_postgres() else str(sqlite_now())
    sql = f"""
        SELECT id, name, swept_at, breaker_opened_at, breaker_reason, probe_at, bridge_holder, bridge_until,
               bridge_open_since, open_calls, {_COUNTERS}, EXISTS ({_SERVER_PAUSE}), {now}
        FROM leshan_server ORDER BY id LIMIT 1
    """  # noqa: S608
    rows = await fetch(sql)
    return ServerView.load(rows[0] if rows else (0, "", *[None] * 8, *[0] * 7, await database_now()))


async def database_now() -> Instant:
    """Return the time of the clock that the ledger decides by: PostgreSQL's own, this host's for SQLite."""
    if not on_postgres():
        return sqlite_now()
    ((now,),) = await fetch(f"SELECT {POSTGRES_NOW}")
    return int(now)


async def operation_counts(endpoint: str | None = None) -> dict[OperationStatus, int]:
    """Return the number of operations by status, zeros included: of one endpoint by name (all zero if it is unknown),
    or of all.

    The ledger's counters are read, so the cost is the same with a million operations.
    """
    if endpoint is None:
        rows = await fetch(f"SELECT {_SUMS} FROM leshan_server")  # noqa: S608
    else:
        id_ = ENDPOINT_BY_NAME.format(name="$1")
        rows = await fetch(f"SELECT {_SUMS} FROM endpoint WHERE id = {id_}", [endpoint])  # noqa: S608
    return dict(zip(OperationStatus, rows[0], strict=True))
