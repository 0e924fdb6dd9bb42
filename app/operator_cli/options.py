"""Options that several commands share, and their GraphQL equivalents."""

from __future__ import annotations

import base64
import uuid
from typing import Annotated, Any, TypeAlias

import typer

Url: TypeAlias = Annotated[
    str, typer.Option("--url", envvar="REVEILLE_URL", help="Address of a running Reveille.", metavar="URL")
]
Token: TypeAlias = Annotated[
    str | None, typer.Option("--token", envvar="REVEILLE_TOKEN", help="Access token, where one is asked for.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Sure: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether this is meant.")]
Expected: TypeAlias = Annotated[
    int | None, typer.Option("--expect", min=0, help="Do it only if it is about exactly so many; asks nothing.")
]
Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(help="Ids of operations.", metavar="id")]
Endpoints: TypeAlias = Annotated[
    list[str] | None, typer.Option("--endpoint", "-e", help="Of this endpoint; may be given again.")
]
Statuses: TypeAlias = Annotated[
    list[str] | None, typer.Option("--status", "-s", help="QUEUED, SENDING, ..; may be given again.")
]
Kinds: TypeAlias = Annotated[list[str] | None, typer.Option("--kind", "-k", help="READ, WRITE, ..; again for more.")]
Reasons: TypeAlias = Annotated[
    list[str] | None, typer.Option("--reason", "-r", help="Last reason, like NO_ANSWER; may be given again.")
]
Batch: TypeAlias = Annotated[str | None, typer.Option("--batch", "-b", help="Created with this batch.")]
Creator: TypeAlias = Annotated[str | None, typer.Option("--created-by", help="Created by this one.")]
Path: TypeAlias = Annotated[str | None, typer.Option("--path", "-p", help="At or below this path: /3 is object 3.")]
After: TypeAlias = Annotated[str | None, typer.Option("--created-after", help="RFC 3339, like 2026-11-23T10:00:00Z.")]
Before: TypeAlias = Annotated[str | None, typer.Option("--created-before", help="RFC 3339.")]
HERE = "http://127.0.0.1:8000"


def filter_of(
    *,
    endpoints: list[str] | None = None,
    statuses: list[str] | None = None,
    kinds: list[str] | None = None,
    reasons: list[str] | None = None,
    **words: Any,
) -> dict[str, Any]:
    """Return a ``DeviceOperationFilter`` of the given options."""
    lists = {"statuses": statuses, "kinds": kinds, "reasons": reasons}
    given: dict[str, Any] = {name: [word.upper() for word in words_] for name, words_ in lists.items() if words_}
    if endpoints:
        given["endpoints"] = endpoints
    return given | {name: word for name, word in words.items() if word is not None}


def global_id(text: str) -> str:
    """Return an operation's id in the API's form: log lines have the UUID within it."""
    try:
        return base64.b64encode(f"DeviceOperation:{uuid.UUID(text)}".encode()).decode()
    except ValueError:
        return text
