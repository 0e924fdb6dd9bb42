"""``reveille ops watch``: every step as it comes, in lines, in JSON, or in a table that lives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import typer
from rich.live import Live

from app.operator_cli import documents
from app.operator_cli.connection import Api, follow_on
from app.operator_cli.options import global_id
from app.operator_cli.tables import operations_table, print_json
from app.trouble import Trouble

SHOWN: Final = 30
"""Operations in the table that lives: those that moved last."""
ENDED: Final = frozenset({"CONFIRMED", "FAILED", "CANCELED", "EXPIRED"})
NOT_CONFIRMED: Final = 4
"""The exit code where an operation ended otherwise."""

Answer = dict[str, Any]


def watch(api: Api, ids: list[str], *, endpoint: str | None, to: list[str], after: str | None, as_json: bool) -> None:
    """Follow steps; of given operations until all have ended, else for ever.

    Raises:
        typer.Exit: with 4, an operation ended and is not CONFIRMED.
    """
    own = [global_id(id_) for id_ in ids]
    # the cursor first: no step falls between it and what is read next
    start = after or api.ask(documents.CURSOR)["transitionCursor"]
    open_ = {id_: _known(api, id_) for id_ in own}
    ended = {id_: known["status"] for id_, known in open_.items() if known["status"] in ENDED}
    wanted = {"endpoint": endpoint, "ids": own or None, "to": [word.upper() for word in to] or None}
    steps = follow_on(api, documents.FOLLOW, "operationTransitions", start, **wanted)
    with _shown(list(open_.values()), as_json=as_json) as told:
        for step in _until(steps, own, ended):
            told(step)
    if any(status != "CONFIRMED" for status in ended.values()):
        raise typer.Exit(NOT_CONFIRMED)


def _known(api: Api, id_: str) -> Answer:
    known: Answer | None = api.ask(documents.SHOW, id=id_)["deviceOperation"]
    if known is None:
        raise Trouble(f"{id_}: no operation has this id")
    return known


def _until(steps: Iterator[Answer], own: list[str], ended: dict[str, str]) -> Iterator[Answer]:
    """The steps, until all of ``own`` have ended; notes in ``ended`` how."""
    if own and len(ended) == len(set(own)):
        return
    for step in steps:
        yield step
        if step["toStatus"] in ENDED and step["operation"]["id"] in own:
            ended[step["operation"]["id"]] = step["toStatus"]
        if own and len(ended) == len(set(own)):
            return


class _Shown:
    """Where steps go: lines, or a table that is drawn anew."""

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
            typer.echo(_line(step))
        else:
            operation = step["operation"]
            self._rows.pop(operation["id"], None)
            self._rows[operation["id"]] = operation
            self._live.update(self._table())

    def _table(self) -> Any:
        return operations_table(list(self._rows.values())[-SHOWN:], "the last to move")


def _shown(operations: list[Answer], *, as_json: bool) -> _Shown:
    return _Shown(operations, as_json=as_json)


def _line(step: Answer) -> str:
    operation = step["operation"]
    path = operation["path"] or ",".join(operation["paths"])
    why = " ".join(part for part in (step["reason"], step["detail"]) if part)
    moved = f"{step['fromStatus'] or '-'} -> {step['toStatus']}"
    return f"{step['at']} {operation['endpoint']['name']} {operation['kind']} {path} {moved} {why}".rstrip()
