"""``reveille aggregate``: compute the hourly aggregates of readings again."""

from __future__ import annotations

from app.domain.enums import Instant
from app.models.ledger import Ledger, open_store
from app.models.rebuild import Progress, Rebuilt, rebuild_aggregates
from app.process import SERVER_ID, rules_of
from app.settings import Settings


async def run_aggregation(settings: Settings, since: Instant, endpoint: str | None, progress: Progress) -> Rebuilt:
    """Compute the hourly aggregates again, beside running processes. Raise the exceptions of
    :func:`rebuild_aggregates`."""
    ledger = Ledger(
        open_store(settings.database_url),
        rules_of(settings),
        notify=lambda _channel: None,
        server_id=SERVER_ID,
        server_name=settings.leshan_name,
    )
    await ledger.start()
    try:
        return await rebuild_aggregates(ledger, settings.database_url, since, endpoint, progress)
    finally:
        await ledger.close()
