"""``reveille ops cancel`` and ``retry``: of single operations by their ids, or of all that match a filter."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import typer

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api, Refused
from app.operator_cli.options import Filter, global_id
from app.operator_cli.tables import echo, print_json


def cancel(api: Api, ids: list[str], criteria: Filter, *, expected: int | None, confirmed: bool, as_json: bool) -> None:
    """Cancel those of these operations that are still queued."""
    if _by_ids(ids, criteria):
        _each(ids, lambda id_: api.execute(documents.CANCEL_ONE, id=id_), "canceled", as_json=as_json)
        return
    queued = {**criteria, "statuses": ["QUEUED"]}
    question = "cancel {count} operations?"
    count = confirmed_count(api, documents.COUNT, queued, question, expected=expected, confirmed=confirmed)
    data = _execute(api, documents.CANCEL, "canceled", filter=queued, count=count)["cancelDeviceOperations"]
    _print(data, f"{data['canceled']} canceled", as_json=as_json)


def retry(api: Api, ids: list[str], criteria: Filter, *, expected: int | None, confirmed: bool, as_json: bool) -> None:
    """Retry each of these operations once."""
    if _by_ids(ids, criteria):
        key = str(uuid.uuid4())
        _each(
            ids,
            lambda id_: api.execute_with_retry(documents.RETRY_ONE, id=id_, key=key),
            "queued again",
            as_json=as_json,
        )
        return
    ended = {"statuses": ["FAILED", "EXPIRED"], **criteria, "retried": False}
    question = "retry {count} operations?"
    count = confirmed_count(api, documents.COUNT, ended, question, expected=expected, confirmed=confirmed)
    data = _execute(api, documents.RETRY, "created", filter=ended, count=count)["retryDeviceOperations"]
    _print(data, f"{data['created']} queued again", as_json=as_json)


def _execute(api: Api, document: str, fact: str, **variables: Any) -> Any:
    """Return the response. If the request fails halfway, report the count under ``fact`` of those done before."""
    try:
        return api.execute(document, **variables)
    except Refused as refused:
        if fact not in refused.facts:
            raise
        raise CommandError(
            f"{refused}; {fact} before the error: {refused.facts[fact]}. Repeat the command for the rest"
        ) from None


def _by_ids(ids: list[str], criteria: Filter) -> bool:
    """Return whether ids are given, and not a filter."""
    if bool(ids) is bool(criteria):
        raise CommandError("expected either operation ids or filter options: see --help", 2)
    return bool(ids)


def _each(ids: list[str], act: Callable[[str], Any], done: str, *, as_json: bool) -> None:
    """Apply an action to one id after the other; report refusals and continue with the rest."""
    refused = 0
    for id_ in ids:
        try:
            answer = act(global_id(id_))
        except Refused as error:
            refused += 1
            echo(f"reveille: {id_}: {error}", err=True)
        else:
            _print(answer, f"{id_} {done}", as_json=as_json)
    if refused:
        raise typer.Exit(1)


def confirmed_count(
    api: Api, document: str, criteria: Filter, question: str, *, expected: int | None, confirmed: bool
) -> int:
    """Return the number of what matches, after the user has answered the question, which has ``{count}``; or the
    expected number, which the server checks. ``document`` has one field: the count."""
    if expected is not None:
        return expected
    (count,) = api.execute(document, filter=criteria).values()
    if not confirmed and count:
        typer.confirm(question.format(count=count), abort=True, err=True)
    return int(count)


def _print(answer: Any, line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    over = answer.get("passedOver")
    echo(f"{line}, {over} skipped: their status had changed" if over else line)
