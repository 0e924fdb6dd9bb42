"""The features of a Leshan server: ``GET /server/info`` of our own; a stock Leshan has no such address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from app.leshan.bounded import parse_json
from app.leshan.events import boot_id_of

MAX_OPEN_CALLS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The features that Reveille uses; a server that reports none has none.

    Attributes:
        request_ids: a call with an id is never sent twice, and the server can be queried for its outcome.
        any_name: an endpoint's name may hold ``/`` and ``%``.
        paging: ``GET /clients`` takes ``limit`` and ``after``.
        json_errors: errors are JSON with ``code``, ``text`` and ``delivery``.
        event_envelope, event_replay: the event stream has envelopes, and replays the events after an id.
        notifications_wake: a device that notifies or sends is taken as awake, and the attribute ``at`` is honored.
        once: ``retransmit=0`` has a request sent as one datagram, which no retransmission repeats after a reboot.
        open_calls: the maximum number of concurrent calls; None: not reported.
        boot_id: of this server process: with another one registrations may be gone.
    """

    request_ids: bool = False
    any_name: bool = False
    paging: bool = False
    json_errors: bool = False
    event_envelope: bool = False
    event_replay: bool = False
    notifications_wake: bool = False
    once: bool = False
    open_calls: int | None = None
    boot_id: str | None = None


STOCK: Final = ServerInfo()


def read_server_info(status: int, body: bytes) -> ServerInfo:
    """Read a response to ``GET /server/info``; anything but a 200 with such an object is a stock server's."""
    try:
        info = parse_json(body) if status == 200 else None
    except orjson.JSONDecodeError:
        return STOCK
    if not isinstance(info, dict) or not isinstance(features := info.get("features"), dict):
        return STOCK
    limits = info.get("limits")
    open_calls = limits.get("openCalls") if isinstance(limits, dict) else None
    if not isinstance(open_calls, int) or isinstance(open_calls, bool) or not 0 < open_calls <= MAX_OPEN_CALLS:
        open_calls = None
    return ServerInfo(
        request_ids=features.get("requestIds") is True,
        any_name=features.get("anyName") is True,
        paging=features.get("paging") is True,
        json_errors=features.get("jsonErrors") is True,
        event_envelope=features.get("eventEnvelope") == 1,
        event_replay=features.get("eventReplay") is True,
        notifications_wake=features.get("notificationsWake") is True,
        once=features.get("retransmit") is True,
        open_calls=open_calls,
        boot_id=boot_id_of(info.get("bootId")),
    )


def reads_types(client: bytes) -> bool:
    """Return whether a server reads the types of values, by the body of its response to ``GET /clients/{endpoint}``.

    2.0.0-M4, which does not, writes ``registrationDate`` as text, and "no registered client": M15 and later write a
    number, and begin with a capital letter (seen in each).
    """
    try:
        found = parse_json(client)
    except orjson.JSONDecodeError:
        return not client.startswith(b"no registered client")
    return not (isinstance(found, dict) and isinstance(found.get("registrationDate"), str))
