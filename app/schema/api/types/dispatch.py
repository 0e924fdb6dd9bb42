"""Pauses and status of the dispatch, and payloads of the bulk mutations."""

from __future__ import annotations

import strawberry

from app.models.ledger.rows import NOT_OPEN
from app.models.queries import Leases, PauseView, ServerView, Waiting
from app.schema.api.enums import Presence
from app.schema.api.scalars import DateTime, clamped_int, time_or_none
from app.schema.api.types.device import DeviceOperation


@strawberry.type(
    description="A pause of dispatching to one endpoint, to one Leshan server's devices, or, if both names are null, "
    "to all devices."
)
class DispatchPause:
    leshan_server_name: str | None = strawberry.field(
        description="Name of the paused Leshan server, or of the paused endpoint's server; null if all are paused."
    )
    endpoint_name: str | None = strawberry.field(
        description="Name of the paused endpoint; null if a Leshan server or all devices are paused."
    )
    reason: str = strawberry.field(description="Reason given to `pauseDispatch`.")
    paused_by: str = strawberry.field(description="Name of the user who paused it (`REVEILLE_AUTH`).")
    paused_at: DateTime = strawberry.field(description="Time at which the pause began.")
    resumed_by: str | None = strawberry.field(
        description="Name of the user who ended the pause; null while it is active."
    )
    resumed_at: DateTime | None = strawberry.field(
        description="Time at which the pause ended; null while it is active."
    )


@strawberry.type(description="Result of `cancelDeviceOperations`.")
class CancelDeviceOperationsPayload:
    canceled: int = strawberry.field(description="Number of operations canceled.")
    passed_over: int = strawberry.field(description="Number of operations skipped because they were no longer QUEUED.")


@strawberry.type(description="Result of `retryDeviceOperations`.")
class RetryDeviceOperationsPayload:
    created: int = strawberry.field(description="Number of new operations.")
    passed_over: int = strawberry.field(
        description="Number of operations skipped because another request retried them first, they no longer exist, or "
        "the queue of their endpoint is full."
    )


@strawberry.type(description="Status of a Leshan server and of the connections to it.")
class LeshanServerStatus:
    name: str = strawberry.field(description="Name of the server (`REVEILLE_LESHAN_NAME`).")
    dispatcher_seen_at: DateTime | None = strawberry.field(
        description="Time of the last heartbeat of a dispatcher, due about every 0.5 seconds; null before the first."
    )
    breaker_opened_at: DateTime | None = strawberry.field(
        description="Time since which the circuit breaker stops all calls to the server; null while it is closed."
    )
    breaker_reason: str | None = strawberry.field(
        description="Last failure that opened the circuit breaker or kept it open; null while it is closed."
    )
    next_probe_at: DateTime | None = strawberry.field(
        description="Time of the next probe of the server; null if none is due."
    )
    uses_event_stream: bool = strawberry.field(
        description="Whether a bridge is expected to read the event stream, by `REVEILLE_LESHAN_EVENTS` of the API "
        "process. If false, events come by webhook only, and no bridge is missing."
    )
    bridge_held_until: DateTime | None = strawberry.field(
        description="Time at which the lease of the bridge, which reads the event stream, ends unless it is renewed; "
        "null if no bridge holds it. A time before `DispatchStatus.at`: the bridge stopped without releasing it."
    )
    stream_open_since: DateTime | None = strawberry.field(
        description="Time since which the event stream is open; null if it is not open, its bridge does not report it, "
        "or no bridge holds the lease."
    )
    paused: bool = strawberry.field(description="Whether dispatching to all devices of the server is paused.")


@strawberry.type(description="Endpoints of one presence that have QUEUED operations.")
class WaitingEndpoints:
    presence: Presence = strawberry.field(description="Presence of the endpoints.")
    endpoints: int = strawberry.field(description="Number of endpoints.")
    operations: int = strawberry.field(description="Number of QUEUED operations of these endpoints.")


@strawberry.type(description="Current status of dispatching.")
class DispatchStatus:
    at: DateTime = strawberry.field(description="Database time at which the status was read.")
    leshan_server: LeshanServerStatus | None = strawberry.field(
        description="Status of the Leshan server; null until a Reveille process has started once."
    )
    pauses: list[DispatchPause] = strawberry.field(description="Active pauses, widest scope first; at most 1,000.")
    waiting: list[WaitingEndpoints] = strawberry.field(
        description="Endpoints with QUEUED operations, counted by presence; one entry for each presence that has any."
    )
    longest_waiting: list[DeviceOperation] = strawberry.field(
        description="Oldest QUEUED operation of each of the 20 endpoints that have waited longest, oldest first."
    )
    open_calls: int = strawberry.field(description="Number of open calls to Leshan.")
    held_by_leshan: int = strawberry.field(
        description="Number of requests that a stock Leshan server holds until the device wakes."
    )
    late_leases: int = strawberry.field(
        description="Number of SENDING operations whose lease has ended without a result; a lasting value above 0 "
        "means that no dispatcher is running."
    )
    log_behind: int = strawberry.field(
        description="Number of log entries that the API process serving this query has not yet delivered to its "
        "subscriptions; 0 if it has none."
    )


def pause_of(view: PauseView) -> DispatchPause:
    return DispatchPause(
        leshan_server_name=view.server,
        endpoint_name=view.endpoint,
        reason=view.reason,
        paused_by=view.paused_by,
        paused_at=DateTime(view.paused_at),
        resumed_by=view.resumed_by,
        resumed_at=time_or_none(view.resumed_at),
    )


def server_status(view: ServerView, *, uses_stream: bool) -> LeshanServerStatus | None:
    if not view.id:
        return None
    held = view.bridge_until is not None and view.bridge_until > view.now
    is_open = held and view.bridge_open_since != NOT_OPEN
    return LeshanServerStatus(
        name=view.name,
        dispatcher_seen_at=time_or_none(view.swept_at),
        breaker_opened_at=time_or_none(view.breaker_opened_at),
        breaker_reason=view.breaker_reason,
        next_probe_at=time_or_none(view.probe_at),
        uses_event_stream=uses_stream,
        bridge_held_until=time_or_none(view.bridge_until),
        stream_open_since=time_or_none(view.bridge_open_since) if is_open else None,
        paused=view.paused,
    )


def status_of(
    server: ServerView,
    paused: list[PauseView],
    waiting: list[Waiting],
    *,
    longest: list[DeviceOperation],
    out: Leases,
    behind: int,
    uses_stream: bool,
) -> DispatchStatus:
    return DispatchStatus(
        at=DateTime(server.now),
        leshan_server=server_status(server, uses_stream=uses_stream),
        pauses=[pause_of(view) for view in paused],
        waiting=[_waiting(each) for each in waiting],
        longest_waiting=longest,
        open_calls=out.calls,
        held_by_leshan=out.held,
        late_leases=out.late,
        log_behind=clamped_int(behind),
    )


def _waiting(view: Waiting) -> WaitingEndpoints:
    return WaitingEndpoints(
        presence=view.presence, endpoints=clamped_int(view.endpoints), operations=clamped_int(view.queued)
    )
