"""The times of a process's loops, in one object that ``app/process.py`` passes to the components: tests pass shorter
ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals, leases, pauses and deadlines, in seconds.

    Attributes:
        poll: interval of the dispatcher's poll, which finds work whose bus notification was lost.
        drain: a stopping dispatcher waits this long for its open calls.
        release: a stopping dispatcher waits this long for the database to release operations that were claimed and not
            started.
        response_margin: a call's deadline is the device's timeout plus this.
        settle: a result is settled again for this long while the database is unavailable; then the lease's end decides.
        call_status: after a call's deadline the server is queried about its outcome for this long. The response to that
            query takes at most 3 s more, and the lease ends 10 s after the deadline.
        unreachable: queries to an unreachable server are retried for this long: then the slot is needed, and the
            attempt is left to the sweep.
        sweep: interval of the sweep and of the probe, over all dispatchers.
        prune: interval of pruning.
        aggregate: interval at which readings are added to the hourly aggregates.
        ingest_retry: pause after which events are ingested again while the database is unavailable.
        late_response: time that an attempt's own runner has for settling it before a response from an event does.
        bridge_lease: the bridge's lease. A whole number.
        bridge_renewal: interval at which the lease is renewed, and at which a standby requests it.
        reconnect: pauses before the event stream is opened again; the last one repeats.
        reconcile_retry: pause after a reconciliation that failed.
        reconcile_check: interval at which a process without an event stream checks whether to reconcile.
        reconcile_lease: the lease of such a reconciliation. A whole number.
        reconcile_renewal: interval at which that lease is renewed.
        server_info: interval of the queries for the server's information about itself.
        first_server_info: the same until the server has answered for the first time.
        access: interval at which revoked and new API tokens are read, and sessions of ended credentials are closed.
        fleet: interval of the poll for firmware updates and campaigns that are due.
        object_models: interval at which new object models are read, and newly registered devices are looked for.
    """

    poll: float = 2.0
    drain: float = 20.0
    release: float = 5.0
    response_margin: float = 5.0
    settle: float = 30.0
    call_status: float = 5.0
    unreachable: float = 3.0
    sweep: float = 0.5
    prune: float = 60.0
    aggregate: float = 30.0
    ingest_retry: float = 0.5
    late_response: float = 2.0
    bridge_lease: int = 10
    bridge_renewal: float = 3.0
    reconnect: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0)
    reconcile_retry: float = 2.0
    reconcile_check: float = 3.0
    reconcile_lease: int = 60
    reconcile_renewal: float = 15.0
    server_info: float = 15.0
    first_server_info: float = 1.0
    access: float = 2.0
    object_models: float = 2.0
    fleet: float = 2.0


DEFAULT: Final = Timing()
"""The times of a process in production."""
