"""The dispatch as operators see it: pauses, how it stands, and what asking for many at once came to."""

from __future__ import annotations

import strawberry

from app.models.ledger.rows import NOT_OPEN
from app.models.queries import Leases, PauseView, ServerView, Waiting
from app.schema.scalars import DateTime, clamped_int, time_or_none
from app.schema.types.operation import DeviceOperation
from app.schema.words import Presence


@strawberry.type(description="Something that somebody paused. Both names null: everything.")
class DispatchPause:
    leshan_server_name: str | None = strawberry.field(description="The Leshan server, of an endpoint its own.")
    endpoint_name: str | None = strawberry.field(description="The endpoint, where it is paused alone.")
    reason: str = strawberry.field(description="Why, in the words of who paused it.")
    paused_by: str = strawberry.field(description="Who paused it.")
    paused_at: DateTime = strawberry.field(description="When.")
    resumed_by: str | None = strawberry.field(description="Who took it back; null while it is in force.")
    resumed_at: DateTime | None = strawberry.field(description="When it was taken back.")


@strawberry.type(description="What canceling many came to.")
class CancelDeviceOperationsPayload:
    canceled: int = strawberry.field(description="How many were canceled.")
    passed_over: int = strawberry.field(description="How many were not QUEUED any more when their turn came.")


@strawberry.type(description="What retrying many came to.")
class RetryDeviceOperationsPayload:
    created: int = strawberry.field(description="How many were queued anew.")
    passed_over: int = strawberry.field(description="How many somebody else asked for again meanwhile.")


@strawberry.type(description="How a Leshan server stands with us.")
class LeshanServerStatus:
    name: str = strawberry.field(description="Its name in the settings.")
    dispatcher_seen_at: DateTime | None = strawberry.field(
        description="The last sign of life of a dispatcher: they give one about every half second."
    )
    breaker_opened_at: DateTime | None = strawberry.field(description="Since when it is not called; null: it is.")
    breaker_reason: str | None = strawberry.field(description="What it was last seen to do wrong.")
    next_probe_at: DateTime | None = strawberry.field(description="When it is looked for again.")
    bridge_held_until: DateTime | None = strawberry.field(
        description="Until when a bridge holds the event stream, unless it renews it; null: none does."
    )
    stream_open_since: DateTime | None = strawberry.field(description="Since when the event stream is open.")
    paused: bool = strawberry.field(description="Whether all of it is paused.")


@strawberry.type(description="Endpoints of one presence that have something queued.")
class WaitingEndpoints:
    presence: Presence = strawberry.field(description="What is known of them.")
    endpoints: int = strawberry.field(description="How many they are.")
    operations: int = strawberry.field(description="How many operations are queued for them.")


@strawberry.type(description="How the dispatch stands.")
class DispatchStatus:
    at: DateTime = strawberry.field(description="The database's time of reading this.")
    leshan_server: LeshanServerStatus | None = strawberry.field(description="Null before any process was started.")
    pauses: list[DispatchPause] = strawberry.field(description="Those in force, at most 1,000, the widest first.")
    waiting: list[WaitingEndpoints] = strawberry.field(description="What waits, by what is known of the devices.")
    longest_waiting: list[DeviceOperation] = strawberry.field(
        description="The oldest queued operations of the 20 endpoints that wait longest."
    )
    open_calls: int = strawberry.field(description="Calls that are out.")
    held_by_leshan: int = strawberry.field(description="Requests that a stock Leshan holds until a wake.")
    late_leases: int = strawberry.field(description="Calls whose process did not come back in time.")
    log_behind: int = strawberry.field(
        description="Entries of the log that this process has yet to tell its subscribers."
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


def server_status(view: ServerView) -> LeshanServerStatus | None:
    if not view.id:
        return None
    return LeshanServerStatus(
        name=view.name,
        dispatcher_seen_at=time_or_none(view.swept_at),
        breaker_opened_at=time_or_none(view.breaker_opened_at),
        breaker_reason=view.breaker_reason,
        next_probe_at=time_or_none(view.probe_at),
        bridge_held_until=time_or_none(view.bridge_until),
        stream_open_since=None if view.bridge_open_since == NOT_OPEN else time_or_none(view.bridge_open_since),
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
) -> DispatchStatus:
    return DispatchStatus(
        at=DateTime(server.now),
        leshan_server=server_status(server),
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
