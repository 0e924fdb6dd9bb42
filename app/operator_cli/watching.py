"""``reveille ops watch``: print every transition when it happens, in lines, in JSON, or in a live table. ``ops create
--wait`` prints the outcomes as well."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, Final

import typer
from rich.live import Live

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api, follow_on
from app.operator_cli.options import Filter, global_id
from app.operator_cli.tables import echo, operations_table, print_json

SHOWN: Final = 30
"""Operations in the live table: those that changed last."""
ENDED: Final = frozenset({"CONFIRMED", "FAILED", "CANCELED", "EXPIRED"})
STATUSES: Final = ENDED | {"QUEUED", "SENDING"}
MAX_IDS: Final = 1_000
"""Maximum operations that one subscription names. For more, subscribe to all and filter here."""
CHUNK: Final = 10
"""Operations in one query: each selects some 40 fields, and the cost of a request is limited."""
NOT_CONFIRMED: Final = 4
"""The exit code if an operation ended with another status than CONFIRMED."""

Answer = dict[str, Any]


def watch(api: Api, ids: list[str], criteria: Filter, *, after: str | None, as_json: bool) -> None:
    """Follow transitions; those of given operations until all have ended, else forever. If an operation had already
    ended, its last transition is shown as well.

    Raises:
        typer.Exit: with 4, an operation ended and is not CONFIRMED.
    """
    if _watched(api, ids, criteria, after=after, as_json=as_json):
        raise typer.Exit(NOT_CONFIRMED)


def outcomes(api: Api, ids: list[str], *, as_json: bool) -> None:
    """Follow operations until all have ended, then show the outcome of each, with the result of a READ. In JSON that is
    one line for each transition, then one for each operation in the form of ``ops show``.

    Raises:
        typer.Exit: with 4, an operation ended and is not CONFIRMED.
    """
    failed = _watched(api, ids, {}, after=None, as_json=as_json)
    for operation in _operations(api, ids, documents.EVERYTHING):
        if as_json:
            print_json(operation)
        else:
            echo(_outcome(operation))
    if failed:
        raise typer.Exit(NOT_CONFIRMED)


def _watched(api: Api, ids: list[str], criteria: Filter, *, after: str | None, as_json: bool) -> bool:
    """Follow transitions to their end; return whether an operation is not CONFIRMED."""
    own, shown = [*dict.fromkeys(map(global_id, ids))], _statuses(criteria)
    # the cursor first: no transition falls between it and the next read
    start = after or api.execute(documents.CURSOR)["transitionCursor"]
    known = _operations(api, own, documents.WITH_LAST_STEP)
    ended = {operation["id"]: operation["status"] for operation in known if operation["status"] in ENDED}
    steps = follow_on(api, documents.FOLLOW, "operationTransitions", start, **_variables(own, criteria))
    with _shown(known, as_json=as_json) as output:
        for step in chain(_last_steps(known), _until(steps, frozenset(own), ended)):
            if not shown or step["toStatus"] in shown:
                output(step)
    return any(status != "CONFIRMED" for status in ended.values())


def _statuses(criteria: Filter) -> frozenset[str]:
    """Return the statuses to be shown; none means all."""
    statuses = frozenset(criteria.get("toStatuses", ()))
    if unknown := statuses - STATUSES:
        raise CommandError(f"--to: unknown status {min(unknown)}; expected one of {', '.join(sorted(STATUSES))}", 2)
    return statuses


def _variables(own: list[str], criteria: Filter) -> dict[str, Any]:
    """Return the variables of the subscription. For given operations it requests every transition, whatever is shown:
    limited to CONFIRMED it would never report one that FAILED, and the watch would not end."""
    if not own:
        return criteria
    named = own if len(own) <= MAX_IDS else None
    return {**criteria, "operationIds": named, "toStatuses": None}


def _operations(api: Api, ids: list[str], wanted: str) -> list[Answer]:
    """Return the operations with these ids, with the given fields."""
    found: list[Answer] = []
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        data = api.execute(
            documents.some(len(chunk), wanted), **{f"i{number}": id_ for number, id_ in enumerate(chunk)}
        )
        operations: list[Answer | None] = [data[f"o{number}"] for number in range(len(chunk))]
        for id_, operation in zip(chunk, operations, strict=True):
            if operation is None:
                raise CommandError(f"{id_}: unknown operation id")
            found.append(operation)
    return found


def _last_steps(known: list[Answer]) -> Iterator[Answer]:
    """Yield the last transition of each operation that has already ended, as a subscription would have sent it."""
    for operation in known:
        last = operation.pop("lastTransition")
        if operation["status"] in ENDED:
            yield {**last, "operation": operation}


def _until(steps: Iterator[Answer], own: frozenset[str], ended: dict[str, str]) -> Iterator[Answer]:
    """Yield the transitions until all of ``own`` have ended; record their final statuses in ``ended``."""
    if own and len(ended) == len(own):
        return
    for step in steps:
        id_ = step["operation"]["id"]
        if own and (id_ not in own or id_ in ended):
            continue
        yield step
        if own and step["toStatus"] in ENDED:
            ended[id_] = step["toStatus"]
            if len(ended) == len(own):
                return


class _Shown:
    """The output of transitions: lines, or a table that is redrawn."""

    def __init__(self, operations: list[Answer], *, as_json: bool) -> None:
        self._as_json = as_json
        self._rows = {operation["id"]: operation for operation in operations}
        self._stack = ExitStack()
        lives = sys.stdout.isatty() and not as_json
        self._live = self._stack.enter_context(Live(self._table(), refresh_per_second=8)) if lives else None

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __call__(self, step: Answer) -> None:
        if self._as_json:
            print_json(step)
        elif self._live is None:
            echo(_line(step))
        else:
            operation = step["operation"]
            self._rows.pop(operation["id"], None)
            self._rows[operation["id"]] = operation
            self._live.update(self._table())

    def _table(self) -> Any:
        return operations_table(list(self._rows.values())[-SHOWN:], "latest changes")


def _shown(operations: list[Answer], *, as_json: bool) -> _Shown:
    return _Shown(operations, as_json=as_json)


def _about(operation: Answer) -> str:
    path = operation["path"] or ",".join(operation["paths"])
    return f"{operation['endpoint']['name']} {operation['kind']} {path}"


def _outcome(operation: Answer) -> str:
    """Return one line with the outcome of an operation: its status, reason and detail, and the device's response."""
    components = [operation["status"], operation["reason"], operation["deviceStatus"], operation["detail"]]
    if operation["answer"] is not None:
        components.append(json.dumps(operation["answer"], ensure_ascii=False))
    return f"{_about(operation)}: {' '.join(part for part in components if part)}"


def _line(step: Answer) -> str:
    why = " ".join(part for part in (step["reason"], step["detail"]) if part)
    moved = f"{step['fromStatus'] or '-'} -> {step['toStatus']}"
    return f"{step['at']} {_about(step['operation'])} {moved} {why}".rstrip()
