"""``reveille ops create`` and ``create-for``: one operation from arguments, many from a file, or one for each endpoint
of a filter."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import RECONNECT_SECONDS, UNAVAILABLE, Api, Refused, Unreachable
from app.operator_cli.options import Filter
from app.operator_cli.tables import echo, operations_table, print_json, show
from app.operator_cli.times import rfc3339, span_of

MAX_OPERATIONS: Final = 1_000
"""Maximum operations in one mutation."""
MAX_BYTES: Final = 500_000

Input = dict[str, Any]


def value_of(text: str, type_: str) -> dict[str, Any]:
    """Return a ``ResourceValueInput``: numbers and other textual types stay text, other types are parsed as JSON.

    Raises:
        CommandError: the text is not a value of this type.
    """
    if type_ in {"string", "integer", "unsignedInteger", "opaque", "time", "coreLink"}:
        return {type_: text}
    try:
        return {type_: json.loads(text)}
    except json.JSONDecodeError:
        raise CommandError(f"--value: invalid {type_} {text!r}; expected JSON", 2) from None


def time_of(text: str, now: datetime | None = None, *, option: str = "--not-before") -> str:
    """Return the ``DateTime`` of an option: that of the text, or for ``+2h`` the time so much after ``now``.

    Raises:
        CommandError: the text begins with + and is no span of time.
    """
    if not text.startswith("+"):
        return text
    span = span_of(text[1:])
    if span is None:
        raise CommandError(f"{option}: invalid time {text!r}; expected for example +90s, +30m, +2h or +1d", 2)
    return rfc3339(((now or datetime.now(UTC)) + span).replace(microsecond=0))


def facts_of(
    *,
    kind: str | None,
    value: str | None,
    type_: str,
    arguments: str | None,
    priority: int | None,
    ttl: int | None,
    timeout: int | None,
    max_attempts: int | None,
    supersede: bool,
    not_before: str | None,
    sequence: str | None,
) -> Input:
    """Return the fields of an operation's input, without its paths; those that are not given are None.

    Raises:
        CommandError: as :func:`value_of` and :func:`time_of` do.
    """
    return {
        "kind": (kind or "").upper(),
        "arguments": arguments,
        "priority": priority,
        "ttlSeconds": ttl,
        "timeoutSeconds": timeout,
        "maxAttempts": max_attempts,
        "supersede": supersede or None,
        "notBefore": None if not_before is None else time_of(not_before),
        "sequence": sequence,
        "value": None if value is None else value_of(value, type_),
    }


def single_input(facts: Input, paths: list[str]) -> Input:
    """Return the input of one operation; only a composite has several paths."""
    composite = str(facts["kind"]).endswith("_COMPOSITE")
    where: Input = {"paths": paths} if composite else {"path": paths[0] if paths else None}
    if len(paths) > 1 and not composite:
        raise CommandError(f"too many paths: {' '.join(paths)}; expected one, except for composites", 2)
    return {name: fact for name, fact in {**facts, **where}.items() if fact is not None}


def read_inputs(file: str) -> list[Input]:
    """Return the members of a JSON list, or of a file with one JSON object per line; ``-`` is standard input.

    Raises:
        CommandError: the file cannot be read.
    """
    try:
        text = typer.get_text_stream("stdin").read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{file}: {error}", 2) from None
    listed = text.lstrip().startswith("[")
    commands = list(_parsed(file, [(1, text)] if listed else enumerate(text.splitlines(), start=1)))
    inputs = commands[0] if listed and commands else commands
    for number, command in enumerate(inputs, start=1):
        if not isinstance(command, dict):
            raise CommandError(f"{file}: member {number} is not an object", 2)
    return list(inputs)


def _parsed(file: str, components: Iterable[tuple[int, str]]) -> Iterator[Any]:
    for number, part in components:
        if part.strip():
            try:
                yield json.loads(part)
            except json.JSONDecodeError as error:
                raise CommandError(f"{file}, line {number + error.lineno - 1}: {error.msg}", 2) from None


def with_keys(inputs: list[Input], key: str | None, common: Input) -> list[Input]:
    """Return each input with its own idempotency key: without one, a retry after a lost response could create
    duplicates. With a given key, a second run of the same file generates the same keys. ``common`` applies to all
    inputs that do not override it."""
    base = key or str(uuid.uuid4())
    keys = [base] if len(inputs) == 1 else [f"{base}-{number}" for number in range(1, len(inputs) + 1)]
    return [{"idempotencyKey": own, **common, **given} for own, given in zip(keys, inputs, strict=True)]


def create(api: Api, inputs: list[Input], *, as_json: bool) -> list[str]:
    """Create the operations, at most 1,000 per mutation, each mutation atomically; return their ids.

    Raises:
        CommandError: with the member's number; the mutations before it were committed.
    """
    ids: list[str] = []
    new = 0
    for chunk in _chunks(inputs):
        try:
            payloads = api.execute_with_retry(documents.CREATE, inputs=chunk)["createDeviceOperations"]
        except Refused as error:
            number = len(ids) + int(error.facts.get("index", 0)) + 1
            reason = str(error).rstrip(".")
            raise CommandError(
                f"member {number} of {len(inputs)}: {reason}; {len(ids)} operations before it were created"
            ) from None
        ids += [payload["operation"]["id"] for payload in payloads]
        new += sum(payload["created"] for payload in payloads)
        _print(payloads, as_json=as_json, few=len(inputs) <= 20)
    if not as_json:
        echo(f"{new} created, {len(ids) - new} already existed")
    return ids


def _print(payloads: list[dict[str, Any]], *, as_json: bool, few: bool) -> None:
    if as_json:
        for payload in payloads:
            print_json({"created": payload["created"], **payload["operation"]})
    elif few:
        show(operations_table(payload["operation"] for payload in payloads))


def _chunks(inputs: list[Input]) -> Iterator[list[Input]]:
    chunk: list[Input] = []
    size = 0
    for given in inputs:
        length = len(json.dumps(given))
        if chunk and (len(chunk) == MAX_OPERATIONS or size + length > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(given)
        size += length
    if chunk:
        yield chunk


def create_for(
    api: Api,
    criteria: Filter,
    template: Input,
    batch: str,
    *,
    expected: int | None,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Create one operation for each endpoint that matches, after the user has confirmed their number.

    Raises:
        CommandError: no criteria and no expected number. Refused: another number, or another batch of this name.
    """
    if not criteria and expected is None:
        raise CommandError("expected filter options, or --expect with the number of all endpoints: see --help", 2)
    count = expected
    if count is None:
        count = int(api.execute(documents.ENDPOINT_COUNT, filter=criteria)["endpointCount"])
        if not confirmed:
            typer.confirm(f"create an operation for each of {count} endpoints?", abort=True, err=True)
    payload = _until_finished(api, quiet=as_json, filter=criteria, input=template, batch=batch, count=count)
    if as_json:
        print_json(payload)
        return
    over = payload["passedOver"]
    reasons = "their objects exclude it, their queue or sequence is full, or they are gone"
    echo(f"{payload['created']} created" + (f", {over} endpoints passed over: {reasons}" if over else ""))


def _until_finished(api: Api, *, quiet: bool, **variables: Any) -> Input:
    """Repeat the mutation until all endpoints are done, and return its payload. Each request does a part; failures
    without progress are retried with pauses."""
    done, pauses = 0, iter(RECONNECT_SECONDS)
    while True:
        try:
            answer = api.execute(documents.CREATE_FOR, **variables)
        except (Refused, Unreachable) as error:
            if isinstance(error, Refused) and error.code != UNAVAILABLE:
                raise
            facts = error.facts if isinstance(error, Refused) else {}
            before, done = done, max(done, int(facts.get("created", 0)) + int(facts.get("passedOver", 0)))
            if done > before:
                pauses = iter(RECONNECT_SECONDS)
                if not quiet:
                    echo(f"{done} of {variables['count']} endpoints done", err=True)
            elif (pause := next(pauses, None)) is not None:
                time.sleep(pause)
            else:
                raise CommandError(f"{error}; repeat the command to continue") from None
        else:
            payload: Input = answer["createDeviceOperationsFor"]
            return payload
