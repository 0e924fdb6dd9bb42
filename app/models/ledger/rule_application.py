"""Application of observation rules: the difference between what the rules want of an endpoint and what it has becomes
operations (``docs/observation-rules.md``).

The rules of an endpoint are due after everything that may end an observation, and after each change of the rules
(``rules_seq``). To apply them again changes nothing: operations that are open already stay, also if the device
registers fifty times while it sleeps.
"""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app.domain.enums import ObservationState, OperationKind, OperationStatus, ReasonCode
from app.domain.kinds import COMPOSITES, KINDS
from app.domain.object_models import registered_instances
from app.domain.observation_rules import (
    MAX_EXPANDED,
    MAX_OBSERVED,
    Instances,
    ObservationRule,
    Target,
    TargetState,
    expand,
)
from app.domain.operations import OperationRequest
from app.models.counters import OBSERVATIONS
from app.models.fields import load_json
from app.models.ledger.commands import Command, Phase
from app.models.ledger.group import Group
from app.models.ledger.isolation import isolated
from app.models.ledger.observations import (
    CHECKED,
    DELETE_OBSERVATION,
    INSERT_OBSERVATION,
    ObservationRow,
    check_reports,
    load_observations,
    target_of,
    update,
)
from app.models.ledger.rows import EndpointRow
from app.models.ledger.store import Row
from app.models.observations import keys_of
from app.models.operation import OPERATION_COLUMNS, NewOperation, Operation
from app.models.queries.access import Statement
from app.models.queries.criteria import EndpointCriteria

CREATED_BY: Final = "reveille"
"""Creator of the operations of observation rules."""

PRIORITY: Final = -50
MAX_ATTEMPTS: Final = 3

PIECE: Final = 200
"""Maximum of endpoints whose rules are applied in one transaction."""

MATCHED: Final = CHECKED
"""Maximum of those that a rule matches or matched: only they cost more than a look."""

_K: Final = OperationKind
_ENABLED: Final = (
    "SELECT id, criteria, paths, composite, attributes, read_paths FROM observation_rule "
    "WHERE server_id = $1 AND enabled ORDER BY id"
)
DUE: Final = "SELECT id FROM endpoint WHERE server_id = $1 AND rules_seq < $2 ORDER BY rules_seq LIMIT $3"
DUE_AMONG: Final = "SELECT id FROM endpoint WHERE id = ANY($1::bigint[]) AND rules_seq < $2"
AMONG: Final = "e.id = ANY($1::bigint[])"
HAVING: Final = "SELECT DISTINCT endpoint_id FROM observation WHERE endpoint_id = ANY($1::bigint[])"
OPEN: Final = f"""
    SELECT {", ".join(OPERATION_COLUMNS)} FROM operation
    WHERE endpoint_id = ANY($1::bigint[]) AND rule_id IS NOT NULL AND status IN ('QUEUED', 'SENDING')
"""
_APPLIED: Final = "UPDATE endpoint SET rules_seq = $2 WHERE id = ANY($1::bigint[])"


@dataclass(slots=True)
class ApplyRules(Command[bool]):
    """Apply the observation rules to a limited number of endpoints for which they are due, and check the observations
    that are due. ``first`` are endpoints that go first if their rules are due: they have just woken. Return whether
    more is due now."""

    phase: ClassVar[Phase] = Phase.MAINTENANCE
    first: Sequence[int] = ()
    rules: dict[int, list[ObservationRule]] = field(default_factory=dict, init=False)
    rows: dict[int, list[ObservationRow]] = field(default_factory=dict, init=False)
    open: dict[int, list[Operation]] = field(default_factory=dict, init=False)
    more: bool = field(default=False, init=False)

    async def find(self, group: Group) -> None:
        store, server = group.store, group.server
        self.rules, self.rows, self.open, self.more = {}, {}, {}, False
        if not server.rules_seq:
            return
        silent, more_reports = await check_reports(group)
        due = await self._due(group)
        matched = await _matched(group, sorted({*silent, *due}))
        having = {row["endpoint_id"] for row in await store.fetch(HAVING, due)} if due else set()
        in_order = [id_ for id_ in due if id_ not in silent and (id_ in having or id_ in matched)]
        concerned = [*silent, *in_order][:MATCHED]
        self.more = more_reports or len(due) >= PIECE or len(concerned) == MATCHED
        await self._pass_over(group, [id_ for id_ in due if id_ not in having and id_ not in matched])
        await group.load_endpoints(concerned)
        group.add_operations(await store.fetch(OPEN, concerned) if concerned else ())
        self.rules = {id_: matched.get(id_, []) for id_ in concerned}
        for row in await load_observations(store, concerned):
            self.rows.setdefault(row.endpoint_id, []).append(row)
        for operation in group.operations.values():
            if operation.rule_id is not None and operation.status in {OperationStatus.QUEUED, OperationStatus.SENDING}:
                self.open.setdefault(operation.endpoint_id, []).append(operation)

    async def _due(self, group: Group) -> list[int]:
        """Return endpoints whose rules are due, in the order in which they are applied."""
        fetch, server = group.store.fetch, group.server
        first = await fetch(DUE_AMONG, list(self.first[:PIECE]), server.rules_seq) if self.first else ()
        others = await fetch(DUE, server.id, server.rules_seq, PIECE)
        return list(dict.fromkeys(row["id"] for row in (*first, *others)))

    async def _pass_over(self, group: Group, ids: Sequence[int]) -> None:
        """Record that no rule concerns these endpoints."""
        for id_ in ids:
            if id_ in group.endpoints:
                group.endpoints[id_].rules_seq = group.server.rules_seq
        if others := [id_ for id_ in ids if id_ not in group.endpoints]:
            await group.store.execute(_APPLIED, others, group.server.rules_seq)

    def apply(self, group: Group) -> bool:
        for id_, rules in self.rules.items():
            endpoint = group.endpoints[id_]
            with isolated(group, "observation rules", endpoint=id_):
                _Application(group, endpoint, rules, self.rows.get(id_, []), self.open.get(id_, [])).run()
            endpoint.rules_seq = group.server.rules_seq
        return self.more


async def _matched(group: Group, ids: Sequence[int]) -> dict[int, list[ObservationRule]]:
    """Return the enabled rules whose filters these endpoints match, by endpoint, older rules first."""
    found: dict[int, list[ObservationRule]] = {}
    stored = await group.store.fetch(_ENABLED, group.server.id) if ids else ()
    statement = Statement("", [list(ids)])
    parts = []
    for row in stored:
        criteria = EndpointCriteria(**load_json(row["criteria"]))
        conditions = criteria.conditions("e", statement, postgres=group.store.postgres)
        among = " AND ".join([AMONG, *conditions])
        parts.append(f"SELECT {int(row['id'])} AS rule_id, e.id FROM endpoint e WHERE {among}")
    rules = {row["id"]: _rule_of(row) for row in stored}
    if parts:
        for row in await group.store.fetch(" UNION ALL ".join(parts), *statement.values):
            found.setdefault(row["id"], []).append(rules[row["rule_id"]])
    return {id_: sorted(each, key=lambda rule: rule.id) for id_, each in found.items()}


def _rule_of(row: Row) -> ObservationRule:
    return ObservationRule(
        id=row["id"],
        paths=tuple(load_json(row["paths"])),
        composite=bool(row["composite"]),
        attributes=load_json(row["attributes"]) or {},
        read_paths=tuple(load_json(row["read_paths"])),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A request that a rule wants to be sent to a device. Two of the same are sent once."""

    kind: OperationKind
    paths: tuple[str, ...]
    attributes: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, operation: Operation) -> _Wanted:
        attributes: Mapping[str, float] = load_json(operation.attributes) or {}
        return cls(operation.kind, target_of(operation).paths, tuple(sorted(attributes.items())))


class _Application:
    """The rules of one endpoint: ``wanted`` are the requests to send, by the rule that wants each, in their order;
    ``kept`` are open operations that may stay, though they would not be created now."""

    def __init__(
        self,
        group: Group,
        endpoint: EndpointRow,
        rules: Sequence[ObservationRule],
        rows: Iterable[ObservationRow],
        operations: Iterable[Operation],
    ) -> None:
        self._group, self._endpoint, self._rules = group, endpoint, rules
        self._rows = {row.rule_id: row for row in rows}
        self._open = {_Wanted.of(operation): operation for operation in operations}
        self._standing = keys_of(endpoint.observations)
        self._decided: dict[str, TargetState] = {}
        self._wanted: dict[_Wanted, int] = {}
        self._kept: set[_Wanted] = set()

    def run(self) -> None:
        known = [key for row in self._rows.values() for key in row.targets]
        if self._endpoint.registered:
            instances = registered_instances(load_json(self._endpoint.object_links))
            for rule in self._rules:
                self._apply(rule, instances)
            self._end_others(known)
        else:
            self._wait_for_registration()
        self._forget_others()
        newest = self._reconcile_operations()
        self._write_rows(newest)

    def _apply(self, rule: ObservationRule, instances: Instances | None) -> None:
        row = self._rows.get(rule.id)
        fresh = row is None or row.registration != self._endpoint.registration_key
        before = {} if row is None or fresh else row.targets
        targets: dict[str, TargetState] = {}
        for target in rule.targets(instances):
            if target.key in self._decided or len(self._decided) < MAX_OBSERVED:
                targets[target.key] = self._observe(rule, target, before.get(target.key))
        for path in expand(rule.read_paths, instances):
            read = _Wanted(_K.READ, (path,))
            if fresh:
                self._wanted.setdefault(read, rule.id)
            self._kept.add(read)
            if not rule.paths:
                targets[path] = before.get(path) or TargetState(read=True)
        self._set_targets(rule, row, targets)

    def _observe(self, rule: ObservationRule, target: Target, before: TargetState | None) -> TargetState:
        """Return the state of a target; it is observed unless it is already, or the device has refused it. The oldest
        rule that wants it decides about its attributes."""
        if (decided := self._decided.get(target.key)) is not None:
            return decided
        same = before is not None and dict(before.attributes) == dict(rule.attributes)
        is_done = (
            same
            and before is not None
            and (
                before.state is ObservationState.REFUSED
                or (before.state is ObservationState.ESTABLISHED and target.key in self._standing)
            )
        )
        if before is not None and is_done:
            state = before
        else:
            stale = before is not None and before.state is ObservationState.STALE
            state = TargetState(
                ObservationState.STALE if stale else ObservationState.PENDING,
                rule.attributes,
                before.detail if before else None,
            )
            self._want_observation(rule, target, unchanged=same)
        self._decided[target.key] = state
        return state

    def _want_observation(self, rule: ObservationRule, target: Target, *, unchanged: bool) -> None:
        """Want the attributes of a target to be written, and behind them the observation. With ``unchanged``, its
        attributes have been written already if only the observation is open."""
        attributes = tuple(sorted(rule.attributes.items()))
        observe = _Wanted(_K.OBSERVE_COMPOSITE if target.composite else _K.OBSERVE, target.paths)
        writes = [_Wanted(_K.WRITE_ATTRIBUTES, (path,), attributes) for path in target.paths if attributes]
        if unchanged and observe in self._open:
            self._kept.update(writes)
        else:
            self._wanted.update((write, rule.id) for write in writes if write not in self._wanted)
            if self._is_queued(observe) and any(write not in self._open for write in writes):
                self._cancel(self._open.pop(observe))  # it is created again, behind its attributes
        self._wanted.setdefault(observe, rule.id)

    def _set_targets(self, rule: ObservationRule, row: ObservationRow | None, targets: dict[str, TargetState]) -> None:
        endpoint, now = self._endpoint, self._group.now
        if row is None:
            state = ObservationState.PENDING
            row = ObservationRow(self._group.draw(), endpoint.id, rule.id, None, {}, state, now)
            self._rows[rule.id] = row
            self._group.statements.append((INSERT_OBSERVATION, [row.stored()]))
            self._group.counters[OBSERVATIONS[state]] += 1
        row.registration, row.targets = endpoint.registration_key, targets
        row.derive(self._group)
        if row.state is ObservationState.NOT_SUPPORTED:
            row.detail = "the device has not registered an instance with one of the paths"
        elif len(targets) >= MAX_EXPANDED and row.detail is None:
            row.detail = f"at most {MAX_EXPANDED} paths of a rule are observed on one endpoint"
        if row.state is not ObservationState.ESTABLISHED:
            row.check_at = None
        elif row.check_at is None:
            row.check_after(now)

    def _end_others(self, known: Iterable[str]) -> None:
        """Cancel observations that no rule wants any more."""
        under_way = {target_of(o).key for o in self._open.values() if o.status is OperationStatus.SENDING}
        for key in known:
            if key not in self._decided and (key in self._standing or key in under_way):
                target = Target.of_key(key)
                kind = _K.CANCEL_OBSERVE_COMPOSITE if target.composite else _K.CANCEL_OBSERVE
                self._wanted.setdefault(_Wanted(kind, target.paths), 0)
        for cancel, operation in self._open.items():
            key = target_of(operation).key
            if KINDS[cancel.kind].observes is False and key not in self._decided and key in self._standing:
                self._kept.add(cancel)

    def _wait_for_registration(self) -> None:
        """Leave the open operations of the rules to the next registration."""
        ids = {rule.id for rule in self._rules}
        self._kept.update(wanted for wanted, operation in self._open.items() if operation.rule_id in ids)
        for rule_id in ids & self._rows.keys():
            row = self._rows[rule_id]
            row.targets = {
                key: TargetState(attributes=one.attributes, read=one.read) for key, one in row.targets.items()
            }
            row.registration = row.check_at = None
            row.derive(self._group)

    def _forget_others(self) -> None:
        """Delete the rows of rules that do not want anything of the endpoint any more."""
        ids = {rule.id for rule in self._rules}
        gone = [row for rule_id, row in self._rows.items() if rule_id not in ids]
        self._group.statements.append((DELETE_OBSERVATION, [(row.id,) for row in gone]))
        self._group.counters.subtract(OBSERVATIONS[row.state] for row in gone)
        self._gone = gone
        self._rows = {rule_id: row for rule_id, row in self._rows.items() if rule_id in ids}

    def _reconcile_operations(self) -> dict[str, int]:
        """Cancel open operations that are not wanted any more, and create the missing ones. Return the newest operation
        of each target."""
        for wanted, operation in list(self._open.items()):
            if wanted not in self._wanted and wanted not in self._kept and self._is_queued(wanted):
                self._cancel(operation)
        newest: dict[str, int] = {}
        owner = next((row.rule_id for row in self._gone), 0)
        for wanted, rule_id in self._wanted.items():
            operation = self._open.get(wanted) or self._create(wanted, rule_id or owner)
            newest[target_of(operation).key] = operation.seq
        return newest

    def _is_queued(self, wanted: _Wanted) -> bool:
        operation = self._open.get(wanted)
        return operation is not None and operation.status is OperationStatus.QUEUED

    def _cancel(self, operation: Operation) -> None:
        self._group.move(operation, OperationStatus.CANCELED, ReasonCode.SUPERSEDED)

    def _create(self, wanted: _Wanted, rule_id: int) -> Operation:
        composite = wanted.kind in COMPOSITES
        request = OperationRequest(
            endpoint=self._endpoint.name,
            kind=wanted.kind,
            path=None if composite else wanted.paths[0],
            paths=wanted.paths,
            attributes=dict(wanted.attributes),
        )
        new = NewOperation(
            id=str(uuid.uuid4()),
            request=request,
            priority=PRIORITY,
            max_attempts=MAX_ATTEMPTS,
            repeatable=KINDS[wanted.kind].repeatable,
            validated=False,
            fingerprint="",
            created_by=CREATED_BY,
            rule_id=rule_id,
        )
        operation = Operation.create(new, seq=self._group.draw(), endpoint_id=self._endpoint.id, now=self._group.now)
        self._group.new_operation(operation)
        return operation

    def _write_rows(self, newest: Mapping[str, Any]) -> None:
        for row in self._rows.values():
            row.operation = max((newest[key] for key in row.targets if key in newest), default=row.operation)
        update(self._group, self._rows.values())
