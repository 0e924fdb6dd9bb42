"""The tables of ``docs/lifecycle.md``, generated from the code that they describe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.dispatcher.verdict import (
    COMPOSITE_NEVER_ANSWERED,
    NOT_DONE_CODES,
    NOT_DONE_DEVICE_ERROR,
    PASSING_CODES,
    PASSING_DEVICE_ERROR,
    TABLE,
    UNEXPECTED_OF_A_HEALTHY_LESHAN,
    Row,
)
from app.domain.enums import OperationStatus, ReasonCode
from app.domain.outcomes import OutcomeKind
from app.domain.verdicts import BreakerSignal
from app.models.lifecycle import MOVES

_K = OutcomeKind

WHAT_CAME_BACK: Final[dict[OutcomeKind, str]] = {
    _K.SUCCESS: "200, `success:true`; for a cancelled observation also 200 empty and 404 `no observation`",
    _K.DEVICE_ANSWERED_NO: "200, any other device code 4.xx, 5.01",
    _K.DEVICE_ANSWERED_NONSENSE: "500 `Invalid Response:`",
    _K.ANSWER_TOO_LARGE: "500 RESPONSE_TOO_LARGE (our server): the answer is above its `--max-body`",
    _K.DEVICE_SILENT: "504 `Request timeout`",
    _K.ANSWER_LOST: "our deadline passed; the connection broke after the request left; other 500; an unreadable 2xx",
    _K.PROXY_ERROR: "502, 503, 408, another 504 (a proxy speaks)",
    _K.LEASE_LOST: "nothing: the lease ran out",
    _K.DELAYED_LOST: "200, `delayed:true`, and after the wake no answer in time, or events were missed",
    _K.DELAYED_DROPPED: "200, `delayed:true`, and the registration was replaced or gone without a wake",
    _K.NOT_CONNECTED: "500 `.. peer is not connected` / `Unable to send request`",
    _K.DELAYED: "200, `delayed:true`",
    _K.NOT_REGISTERED: "400 `No registered client`",
    _K.ASLEEP: "400 `.. sleeping`; 409 CLIENT_SLEEPING (our server)",
    _K.BAD_REQUEST: "any other 400",
    _K.UNREACHABLE: "refused, DNS, TLS: the request did not leave",
    _K.LESHAN_REFUSED: "401, 403, 407, 429",
    _K.LESHAN_BUSY: "409 BUSY, 429 TOO_MANY_CALLS (our server)",
    _K.NOT_SENT: "our server, asked, had not received it, and refuses it from now on; or it ended the call unsent",
    _K.UNEXPECTED: "anything else (3xx, 404, 405, 413, 414, 431 ..), and Leshan does not answer a probe",
    _K.TOO_LATE: "nothing: the deadline had passed before the request was written",
}

_BREAKER: Final = {
    BreakerSignal.NONE: "",
    BreakerSignal.WELL: "well",
    BreakerSignal.TROUBLE: "trouble",
    BreakerSignal.DOWN: "opens",
}


def moves_table() -> str:
    """Return the lifecycle: every status, and the statuses that may follow it."""
    rows = [
        (str(before or "(new)"), ", ".join(sorted(after)) or "nowhere: it has ended") for before, after in MOVES.items()
    ]
    return _table(("from", "to"), rows)


def verdict_table() -> str:
    """Return the verdict table with its variants, in the order of the code."""
    rows: list[tuple[str, ...]] = []
    for kind, row in TABLE.items():
        rows += _variants(kind)
        rows.append((f"{kind.name}: {WHAT_CAME_BACK[kind]}", *_cells(row)))
    head = (
        "what came back",
        "delivery",
        "counted",
        "holds back",
        "repeatable",
        "not repeatable",
        "presence",
        "breaker",
    )
    return _table(head, rows)


def _variants(kind: OutcomeKind) -> list[tuple[str, ...]]:
    if kind is _K.DEVICE_ANSWERED_NO:
        gone = ("DELETE answered 4.04 after an earlier MAY_HAVE_REACHED", *_cells(TABLE[_K.SUCCESS]))
        passing = (f"200, device code {_codes(PASSING_CODES - NOT_DONE_CODES)}", *_cells(PASSING_DEVICE_ERROR))
        not_done = (f"200, device code {_codes(NOT_DONE_CODES)} (not done)", *_cells(NOT_DONE_DEVICE_ERROR))
        return [gone, passing, not_done]
    if kind is _K.DEVICE_SILENT:
        never = (
            "DEVICE_SILENT to a composite, of a device that answers others and none of this kind since it registered"
        )
        return [(never, *_cells(COMPOSITE_NEVER_ANSWERED))]
    if kind is _K.UNEXPECTED:
        healthy = "UNEXPECTED: anything else, and Leshan answers a probe well"
        return [(healthy, *_cells(UNEXPECTED_OF_A_HEALTHY_LESHAN))]
    return []


def _codes(codes: Iterable[int]) -> str:
    return ", ".join(f"{code // 100}.{code % 100:02}" for code in sorted(codes))


def _cells(row: Row) -> tuple[str, ...]:
    waits = row.status is OperationStatus.QUEUED
    used_up = f"; {OperationStatus.FAILED} {row.used_up} when used up" if row.used_up and waits else ""
    repeatable = _step(row.status, row.again) + used_up
    once = repeatable if row.once is None else _step(*row.once)
    counted = "yes" if row.counted else ""
    holds_back = "the endpoint" if row.ends_turn else "its instances" if row.counted else ""
    presence = str(row.presence or ("ONLINE (contact)" if row.device_answered else ""))
    return str(row.delivery), counted, holds_back, repeatable, once, presence, _BREAKER[row.breaker]


def _step(status: OperationStatus, reason: ReasonCode | None) -> str:
    return f"{status} {reason}" if reason else str(status)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
