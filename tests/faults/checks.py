"""The checks of a run: the database, the devices, the subscribers, and the responses to the clients."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import asyncpg

from app.dispatcher.withdrawing import HARMLESS
from app.domain.enums import OperationKind
from app.domain.kinds import KINDS
from app.domain.operations import conflict, instances_of
from tests.faults.subscribers import Step, Watcher
from tests.support.cluster import Cluster

_OPERATIONS: Final = """
    SELECT o.id::text AS id, o.seq, e.name, o.kind, o.path, o.paths, o.repeatable,
           o.priority, o.attempt, o.status, o.reason, o.delivery,
           o.detail, o.finished_at, o.idempotency_key AS key, o.batch, o.not_before, o.sequence, o.rule_id, o.fleet_id
    FROM operation o JOIN endpoint e ON e.id = o.endpoint_id WHERE e.name = ANY($1::text[]) ORDER BY o.seq
"""
_TRANSITIONS: Final = """
    SELECT o.id::text AS id, t.number, t.seq, t.to_status, t.reason
    FROM transition t JOIN operation o ON o.seq = t.operation_id JOIN endpoint e ON e.id = o.endpoint_id
    WHERE e.name = ANY($1::text[]) ORDER BY t.seq
"""


@dataclass
class Evidence:
    """The records about the operations of some devices."""

    operations: dict[str, asyncpg.Record]
    transitions: list[asyncpg.Record]
    received: dict[str, list[dict[str, Any]]]
    """By device: the requests for it that Leshan received."""
    by_operation: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for requests in self.received.values():
            for request in requests:
                self.by_operation[str(request["request_id"]).partition("/")[0]].append(request)

    @property
    def steps(self) -> list[Step]:
        """Return every transition, in the order of the log."""
        return [(row["id"], row["number"]) for row in self.transitions]

    def ends(self) -> Counter[str]:
        """Return how operations ended, like ``FAILED NO_ANSWER``."""
        return Counter(f"{row['status']} {row['reason'] or ''}".strip() for row in self.operations.values())


async def gather(whole: Cluster, devices: list[str]) -> Evidence:
    """Collect the records of the database and of the devices."""
    operations = await whole.rows(_OPERATIONS, devices)
    transitions = await whole.rows(_TRANSITIONS, devices)
    received = {device: await whole.received(device) for device in devices}
    return Evidence({row["id"]: row for row in operations}, transitions, received)


def breaches(evidence: Evidence) -> list[str]:
    """Return the violations of guarantees, by the database compared with the devices."""
    return [
        *_not_ended(evidence),
        *_sent_twice(evidence),
        *_done_twice(evidence),
        *_said_wrongly(evidence),
        *_out_of_order(evidence),
        *_out_of_sequence(evidence),
    ]


def _not_ended(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations.values():
        if row["finished_at"] is None:
            yield f"{_name(row)} is still {row['status']} ({row['reason']})"


def _sent_twice(evidence: Evidence) -> Iterator[str]:
    received = (one for requests in evidence.received.values() for one in requests if not _withdraws(one))
    asked = Counter(one["request_id"] for one in received)
    for request, count in asked.items():
        operation, _, attempt = str(request).partition("/")
        attempt = attempt.partition(".")[0]  # an attempt's second call, in another content format, is ATTEMPT.2
        row = evidence.operations.get(operation)
        if row is None:
            yield f"Leshan was asked for {request}, which no operation made"
        elif count > 1:
            yield f"{_name(row)}: attempt {attempt} arrived {count} times"
        elif int(attempt) > row["attempt"]:
            yield f"{_name(row)}: attempt {attempt} arrived, but only {row['attempt']} were begun"


def _done_twice(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations.values():
        if not row["repeatable"] and (count := _handed_over(evidence, row)) > 1:
            yield f"{_name(row)} may not be repeated, and the device had it {count} times: {_story(evidence, row)}"


def _said_wrongly(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations.values():
        count = sum(one["handed_over"] for one in evidence.by_operation[row["id"]])
        if count and row["delivery"] == "NOT_SENT":
            yield f"{_name(row)} says NOT_SENT, and the device had it: {_story(evidence, row)}"
        if not count and row["status"] == "CONFIRMED" and KINDS[OperationKind(row["kind"])].calls_device:
            yield f"{_name(row)} is CONFIRMED, and the device never had it: {_story(evidence, row)}"


def _handed_over(evidence: Evidence, row: asyncpg.Record) -> int:
    """Return how often the device received it, excluding refusals: a 5.03 says that it was not executed."""
    return sum(one["handed_over"] and not _refused(one) for one in evidence.by_operation[row["id"]])


def _refused(request: dict[str, Any]) -> bool:
    return bool(request["status"] == 200 and not request["carried_out"])


def _story(evidence: Evidence, row: asyncpg.Record) -> str:
    steps = [f"{step['to_status']} {step['reason'] or ''}" for step in evidence.transitions if step["id"] == row["id"]]
    requests = [
        {name: one[name] for name in ("request_id", "handed_over", "carried_out", "status")}
        for one in evidence.by_operation[row["id"]]
    ]
    return f"{steps} {requests}"


def _withdraws(request: dict[str, Any]) -> bool:
    """Return whether the request is the READ that displaces a request held by Leshan; it belongs to no operation."""
    return request["request_id"] is None and f"{HARMLESS}?" in request["target"]


def _out_of_order(evidence: Evidence) -> Iterator[str]:
    """Yield the violations of the queue order, by the log and by the device's own list: first sends of an endpoint
    and priority happen in queue order, except where an earlier operation of the same object instance waited for its
    retry, and for operations with a time or a sequence."""
    sent = [row["id"] for row in evidence.transitions if row["to_status"] == "SENDING"]
    yield from _unordered(evidence, sent, "was first sent")
    for requests in evidence.received.values():
        arrived = [str(one["request_id"]).partition("/")[0] for one in requests]
        yield from _unordered(evidence, arrived, "first arrived")


def _unordered(evidence: Evidence, ids: Iterable[str], what: str) -> Iterator[str]:
    earlier: dict[str, list[asyncpg.Record]] = defaultdict(list)
    for id_ in dict.fromkeys(ids):
        row = evidence.operations.get(id_)
        if row is None:
            continue
        before = earlier[row["name"]]
        passed = [one for one in before if one["priority"] == row["priority"] and one["seq"] > row["seq"]]
        free = row["not_before"] is not None or row["sequence"] is not None
        if passed and not free and not any(_goes_before(one, row) and _conflict(one, row) for one in before):
            yield f"{_name(row)} {what} after {_name(passed[0])}, which was queued later"
        before.append(row)


def _out_of_sequence(evidence: Evidence) -> Iterator[str]:
    """Yield the operations that arrived at a device although one before them in their sequence is not CONFIRMED, or had
    not arrived."""
    sequences: dict[tuple[str, str], list[asyncpg.Record]] = defaultdict(list)
    for row in evidence.operations.values():
        if row["sequence"] is not None:
            sequences[row["name"], row["sequence"]].append(row)
    for (device, _), members in sequences.items():
        arrived = list(dict.fromkeys(str(one["request_id"]).partition("/")[0] for one in evidence.received[device]))
        for before, row in pairwise(members):
            if row["id"] not in arrived:
                continue
            if before["status"] != "CONFIRMED":
                yield f"{_name(row)} arrived, and {_name(before)} before it in its sequence is {before['status']}"
            elif before["id"] not in arrived[: arrived.index(row["id"])]:
                yield f"{_name(row)} first arrived before {_name(before)}, which is before it in its sequence"


def _goes_before(one: asyncpg.Record, other: asyncpg.Record) -> bool:
    return (-one["priority"], one["seq"]) < (-other["priority"], other["seq"])


def _conflict(one: asyncpg.Record, other: asyncpg.Record) -> bool:
    return conflict(*(instances_of(row["kind"], row["path"], json.loads(row["paths"])) for row in (one, other)))


def _name(row: asyncpg.Record) -> str:
    return f"{row['kind']} {row['id']} of {row['name']}"


def unseen(evidence: Evidence, watcher: Watcher) -> list[str]:
    """Return a violation if a subscriber missed a transition, received one twice, or in another order."""
    if watcher.seen == evidence.steps:
        return []
    seen, happened = Counter(watcher.seen), Counter(evidence.steps)
    missed, doubled = list((happened - seen).elements()), list((seen - happened).elements())
    return [f"a subscriber missed {missed[:5]}, and saw too often {doubled[:5]}, or saw another order"]


async def violations(whole: Cluster) -> list[str]:
    """Return the violations that ``reveille check`` finds."""
    done = await asyncio.to_thread(whole.processes.run, "check", **whole.settings)
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()
