"""``reveille bridge``: listen to the event stream of the Leshan server."""

from __future__ import annotations

from app.entrypoints.leshan_calls import LeshanCalls, calling_leshan
from app.entrypoints.worker import run_worker
from app.ingest.stream_bridge import Bridge
from app.process import Components
from app.settings import Settings


async def run_bridge(settings: Settings, health_port: int | None) -> None:
    """Listen until a signal arrives. Raise the exceptions of :func:`run_worker`."""
    await run_worker(settings, "bridge", calling_leshan(start_bridge), health_port)


def start_bridge(components: Components, calls: LeshanCalls) -> None:
    """Start the bridge, if events come by the stream."""
    settings = components.settings
    if not settings.uses_stream:
        return
    components.bridge = Bridge(
        components.ledger,
        components.ingestor,
        calls.client,
        calls.reconciler,
        calls.watch,
        notifications_wake=settings.leshan_notifications_wake,
        timing=components.timing,
    )
    calls.start(components.bridge.run())
