"""``reveille aggregate``: compute the hourly aggregates of readings again."""

from __future__ import annotations

from dataclasses import asdict

from app.domain.enums import Instant
from app.entrypoints.command_ledger import command_actor, command_ledger
from app.models.fields import dump_json
from app.models.ledger import AuditEntry, RecordAudit
from app.models.rebuild import Progress, Rebuilt, rebuild_aggregates
from app.settings import Settings


async def run_aggregation(settings: Settings, since: Instant, endpoint: str | None, progress: Progress) -> Rebuilt:
    """Compute the hourly aggregates again, beside running processes. Raise the exceptions of
    :func:`rebuild_aggregates`."""
    async with command_ledger(settings) as ledger:
        rebuilt = await rebuild_aggregates(ledger, settings.database_url, since, endpoint, progress)
        record = RecordAudit()
        record.audit = AuditEntry(command_actor(), "aggregate", endpoint, dump_json(asdict(rebuilt)))
        await ledger.submit(record)
        return rebuilt
