"""The progress of one firmware update: its facts become events, and what follows them is carried out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from app.domain.enums import (
    HOUR,
    SECOND,
    FirmwareMethod,
    FirmwareUpdateState,
    Instant,
    OperationStatus,
    ReasonCode,
)
from app.domain.firmware import (
    READS_OBJECT,
    READS_VERSION,
    SENDS,
    STATES,
    TIMEOUTS,
    WAITS,
    End,
    Event,
    Go,
    Limit,
    Step,
    follow,
    known_state,
    reported,
)
from app.domain.firmware_object import (
    DELIVERY,
    DOWNLOADED,
    PROTOCOLS,
    RESULT,
    RESULTS,
    STATE,
    SUCCESS,
    Reason,
    choose_method,
)
from app.fleet.update_requests import create, observation, reset, send
from app.fleet.update_rows import Package, Report, UpdateRow
from app.models.counters import UPDATES
from app.models.fields import load_json, storable_text
from app.models.ledger.group import MAX_DETAIL, Group
from app.models.lifecycle import TERMINAL
from app.models.observations import keys_of
from app.models.operation import Operation

if TYPE_CHECKING:
    from app.fleet.updates import UpdateRules

MAX_EVENTS: Final = 100
"""Maximum of events of one update in one transaction: the rest follows."""

MAX_VERSION: Final = 255

SMALL: Final = 4_096
"""Packages up to so many bytes are written to a device that accepts both ways: a download would cost more messages."""

PAUSE: Final = 30 * SECOND
LONGEST_PAUSE: Final = HOUR
"""The shortest and the longest time without a report after which a device is read; it grows with the time in the
state."""

_REFUSALS: Final = {Reason.UNSUPPORTED_DELIVERY: Event.NO_DELIVERY, Reason.UNSUPPORTED_PROTOCOL: Event.NO_PROTOCOL}

_HAS_PACKAGE: Final = frozenset(
    {
        FirmwareUpdateState.DELIVERING,
        FirmwareUpdateState.DOWNLOADING,
        FirmwareUpdateState.DOWNLOADED,
    }
)
"""States in which a canceled update leaves a package on the device, or a download."""

_OBSERVED: Final = frozenset({Step.DELIVER, Step.POLL_DOWNLOAD})
"""Steps before which State and Update Result are observed, unless they are already in the present registration."""

UNTOUCHED: Final = "Nothing was delivered to the device."
DISCARDED: Final = "The device is requested to discard the package."
MAY_INSTALL: Final = "The device was requested to install the package, and may do so; it is not watched any more."


class Progress:
    """One update in one transaction.

    Args:
        reports: what the device reported since the update last looked, in the order of arrival.
        wanted: paths that observation rules want to be observed.
    """

    def __init__(
        self,
        group: Group,
        row: UpdateRow,
        package: Package,
        rules: UpdateRules,
        *,
        reports: Sequence[Report],
        wanted: Collection[str],
    ) -> None:
        self._group, self._row, self._package, self._rules = group, row, package, rules
        self._endpoint = group.endpoints[row.endpoint_id]
        self._reports = list(reports)
        self._wanted = wanted
        self._uri = rules.uri_of(package)

    def run(self) -> None:
        """Handle everything that has happened."""
        for _ in range(MAX_EVENTS):
            event = self._next_event()
            if event is None:
                self._row.due_at = self._next_look()
                return
            self.handle(event)
            if self._row.finished_at is not None:
                return
        self._row.due_at = self._group.now

    def handle(self, event: Event) -> None:
        """Carry out what follows an event."""
        row = self._row
        then = None if row.step is None else follow(row.step, event, row.counts)
        if isinstance(then, Go):
            self._go(then)
        elif isinstance(then, End):
            self._end(then)

    # --- what happened

    def _next_event(self) -> Event | None:
        row, now = self._row, self._group.now
        if self._endpoint.deleted_at is not None:
            return Event.DELETED
        event = self._result() if row.step in SENDS else self._news()
        if event is None and row.step is Step.POLL_UPDATE:
            event = self._reported_failure()
        if event is None and row.deadline is not None and now >= row.deadline:
            return Event.DEADLINE
        if event is None and row.step in WAITS and now >= self._pause_end():
            return Event.PAUSE_OVER
        return event

    def _result(self) -> Event | None:
        """Return the result of the step's operation; None while it is open."""
        operation = self._group.operations.get(self._row.operation or 0)
        if operation is None:  # deleted at the end of the retention
            return Event.LOST
        if operation.status not in TERMINAL:
            return None
        if operation.status is OperationStatus.CONFIRMED:
            return self._answered(operation)
        self._row.detail = f"{operation.kind} {operation.path}: {operation.detail or operation.reason}"
        return Event.REFUSED if operation.is_refused else Event.LOST

    def _answered(self, operation: Operation) -> Event:
        row, step = self._row, self._row.step
        answer: Mapping[str, Any] = load_json(operation.answer) or {}
        if step in READS_VERSION:
            version = answer.get(operation.path or "")
            if not isinstance(version, str):
                return Event.REFUSED
            version = storable_text(version, MAX_VERSION)
            if step is Step.READ_VERSION:
                row.version_before = version
            else:
                row.version_after = version
            if version == self._package.version:
                return Event.RIGHT_VERSION
            said_so = step is Step.READ_VERSION or row.update_result == SUCCESS
            return Event.WRONG_VERSION if said_so else Event.NOT_INSTALLED
        return self._read_object(answer) if step in READS_OBJECT else Event.DONE

    def _read_object(self, answer: Mapping[str, Any]) -> Event:
        row = self._row
        row.device_state, row.update_result = (_number(answer.get(row.path(of))) for of in (STATE, RESULT))
        result = row.update_result
        if row.step is Step.READ_OBJECT:
            if (undeliverable := self._choose_method(answer)) is not None:
                return undeliverable
            if row.device_state == DOWNLOADED:
                result = None  # of an earlier update: the device must be reset
        return known_state(row.device_state, result, pending=self._pending)

    @property
    def _pending(self) -> bool:
        row = self._row
        return row.step is Step.POLL_UPDATE and row.executed_under == self._endpoint.registration_key

    def _choose_method(self, answer: Mapping[str, Any]) -> Event | None:
        """Choose how the package is delivered, by what the device supports; return an event if it cannot be."""
        row, package, rules = self._row, self._package, self._rules
        stored = package.uri is None and package.size is not None
        protocols = answer.get(row.path(PROTOCOLS))
        values = protocols.values() if isinstance(protocols, dict) else ()
        chosen = choose_method(
            row.method,
            uri=self._uri,
            can_push=stored and (package.size or 0) <= rules.max_push,
            is_small=stored and (package.size or 0) <= SMALL,
            delivery=_number(answer.get(row.path(DELIVERY))),
            protocols={number for value in values if (number := _number(value)) is not None},
        )
        if isinstance(chosen, FirmwareMethod):
            row.method = chosen
            return None
        return _REFUSALS[chosen]

    def _news(self) -> Event | None:
        """Return what a waiting update did not know yet."""
        row, endpoint = self._row, self._endpoint
        while self._reports:
            if (event := self._report(self._reports.pop(0))) is not None:
                return event
        key = endpoint.registration_key
        if key is not None and key != row.registration:
            row.registration = key
            return Event.REGISTERED
        return None

    def _reported_failure(self) -> Event | None:
        """Return a reported failure while the read waits for a registration; other reports wait for the read."""
        events = (self._report(report) for report in self._reports)
        found = next((event for event in events if event is Event.REPORTED_FAILURE), None)
        self._reports.clear()
        return found

    def _report(self, report: Report) -> Event | None:
        row, value = self._row, _number(load_json(report.value))
        row.seen_seq = report.seq
        if report.path == row.path(STATE):
            row.device_state = value
            return reported(STATE, value)
        row.update_result = value
        return reported(RESULT, value)

    def _pause_end(self) -> Instant:
        """Return until when a report is awaited: the longer the state lasts, the longer is the pause."""
        row = self._row
        return row.step_at + min(max((row.step_at - row.since) // 2, PAUSE), LONGEST_PAUSE)

    def _next_look(self) -> Instant | None:
        row = self._row
        times = [row.deadline, self._pause_end() if row.step in WAITS else None]
        return min((time for time in times if time is not None), default=None)

    # --- what follows

    def _go(self, then: Go) -> None:
        row, group, step = self._row, self._group, then.step
        if STATES[step] is not row.state:
            group.counters[UPDATES[row.state]] -= 1
            group.counters[UPDATES[STATES[step]]] += 1
            row.state, row.since, row.tries = STATES[step], group.now, 0
            row.deadline = group.now + TIMEOUTS[row.state]
        match then.limit:
            case Limit.ATTEMPTS:
                row.attempts += 1
            case Limit.EXECUTIONS:
                row.executions += 1
            case Limit.TRIES:
                row.tries += 1
        row.step, row.step_at, row.operation = step, group.now, None
        if step is Step.EXECUTE:
            row.executed_under = self._endpoint.registration_key
        if step in _OBSERVED and row.observed_under != self._endpoint.registration_key:
            self._observe()
        if step in SENDS:
            row.operation = send(group, self._endpoint, row, step, self._uri).seq
            if step is not Step.POLL_UPDATE:  # there a reported failure counts, whatever was reported before it
                row.seen_seq = group.seq
                self._reports.clear()

    def _end(self, end: End) -> None:
        row, group = self._row, self._group
        canceled = end.state is FirmwareUpdateState.CANCELED
        if canceled:
            row.detail = self._cancel()
        elif end.state is FirmwareUpdateState.SUCCEEDED:
            row.detail = None
        operation = group.operations.get(row.operation or 0)
        if (
            operation is not None
            and operation.status is OperationStatus.QUEUED
            and end.reason != Reason.ENDPOINT_DELETED
        ):
            reason = ReasonCode.CANCELED_BY_USER if canceled else ReasonCode.SUPERSEDED
            group.move(operation, OperationStatus.CANCELED, reason)
        self._end_observations()
        group.counters[UPDATES[row.state]] -= 1
        row.state, row.since, row.finished_at = end.state, group.now, group.now
        row.reason = end.reason or (
            RESULTS.get(row.update_result or 0) if end.state is FirmwareUpdateState.FAILED else None
        )
        row.detail = storable_text(row.detail, MAX_DETAIL) if row.detail else None
        row.step = row.operation = row.deadline = row.due_at = None
        self._endpoint.update_id = None
        if row.target_id is not None:
            group.fleet_due.add(row.target_id)

    def _cancel(self) -> str:
        """Make the device discard the package, unless it may be installing it; return what the end means for it."""
        row, group = self._row, self._group
        operation = group.operations.get(row.operation or 0)
        is_open = operation is not None and operation.status is OperationStatus.SENDING
        executing = row.step is Step.EXECUTE and is_open
        if row.state in _HAS_PACKAGE and not executing and row.step is not Step.CHECK_LOST_EXECUTE:
            if self._endpoint.deleted_at is None:
                create(group, self._endpoint, row, reset(self._endpoint.name, row))
            return DISCARDED
        return MAY_INSTALL if row.executions else UNTOUCHED

    def _observe(self) -> None:
        """Observe State and Update Result before the step's own operation. A device that refuses it is read instead."""
        row, endpoint = self._row, self._endpoint
        row.observed_under = row.registration = endpoint.registration_key
        standing = keys_of(endpoint.observations)
        for path in (row.path(STATE), row.path(RESULT)):
            if path not in standing:
                create(self._group, endpoint, row, observation(endpoint.name, path))

    def _end_observations(self) -> None:
        """Cancel the observations of State and Update Result, unless a rule wants them."""
        row, endpoint = self._row, self._endpoint
        if not endpoint.registered:
            return
        standing = keys_of(endpoint.observations)
        for path in (row.path(STATE), row.path(RESULT)):
            if path in standing and path not in self._wanted:
                create(self._group, endpoint, row, observation(endpoint.name, path, ends=True))


def _number(value: Any) -> int | None:
    """Return a value as the integer that it should be; None for anything else a device may answer."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= 65_535 else None
