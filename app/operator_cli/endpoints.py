"""``reveille endpoints list``, ``show``, ``tag`` and ``delete``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api, Refused
from app.operator_cli.many import confirmed_count
from app.operator_cli.options import Filter
from app.operator_cli.tables import age, echo, print_json, show, table

PAGE: Final = 200


def listing(api: Api, names: list[str], criteria: Filter, first: int, *, as_json: bool) -> None:
    """List the endpoints that match, by name."""
    filter_ = _filter(names, criteria)
    found: list[dict[str, Any]] = []
    total = ""
    for page in _pages(api, filter_, first):
        found += [edge["node"] for edge in page["edges"]]
        total = f"{page['totalCount']}{'+' if page['totalCountCapped'] else ''}"
    if as_json:
        print_json(found)
        return
    columns = ("name", "presence", "overdue", "seen", "usually every", "pending", "tags")
    show(table(f"{len(found)} of {total} endpoints", columns, map(_row, found)))


def _row(endpoint: dict[str, Any]) -> list[Any]:
    usual, seen = endpoint["usualContactIntervalSeconds"], age(endpoint["lastSeenAt"])
    about = [endpoint["name"], endpoint["presence"], "overdue" if endpoint["overdue"] else ""]
    contacts = [f"{seen} ago" if seen else "never", None if usual is None else f"{usual} s"]
    return [*about, *contacts, endpoint["pendingOperations"] or "", " ".join(endpoint["tags"])]


def showing(api: Api, name: str, *, as_json: bool) -> None:
    """Show all facts of an endpoint."""
    endpoint = api.execute(documents.ENDPOINT, name=name)["endpoint"]
    if endpoint is None:
        raise CommandError(f"{name}: unknown endpoint")
    changes = endpoint["presenceChanges"] = [edge["node"] for edge in endpoint["presenceChanges"]["edges"]]
    if as_json:
        print_json(endpoint)
        return
    del endpoint["presenceChanges"]
    resources = endpoint.pop("resources")
    registration = endpoint.pop("registration") or {}
    links = [link["url"] for link in registration.pop("objectLinks", None) or ()]
    facts = {**endpoint, "tags": " ".join(endpoint["tags"]), **registration, "objectLinks": " ".join(links)}
    show(table("endpoint", ("field", "value"), [item for item in facts.items() if item[1] not in (None, "")]))
    if resources:
        rows = [(one["path"], one["value"], one["at"], "observed" if one["observed"] else "") for one in resources]
        show(table("resources", ("path", "value", "at", ""), rows))
    if changes:
        show(table("presence, newest first", ("presence", "at"), [(one["presence"], one["at"]) for one in changes]))


def tagging(
    api: Api,
    names: list[str],
    criteria: Filter,
    add: list[str],
    remove: list[str],
    *,
    expected: int | None,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Add and remove tags of the endpoints that match. Names by themselves need no confirmation, but must be known."""
    if not add and not remove:
        raise CommandError("expected a tag to --add or to --remove: see --help", 2)
    filter_ = _restricted(names, criteria)
    if names and not criteria and expected is None:
        expected = len(set(names))
    question = "tag {count} endpoints?"
    count = confirmed_count(api, documents.ENDPOINT_COUNT, filter_, question, expected=expected, confirmed=confirmed)
    try:
        changed = api.execute(documents.TAG, filter=filter_, add=add, remove=remove, count=count)["tagEndpoints"]
    except Refused as refused:
        if "changed" not in refused.facts:
            raise
        before = refused.facts["changed"]
        raise CommandError(f"{refused}; changed before the error: {before}. Repeat the command for the rest") from None
    if as_json:
        print_json({"changed": changed})
    else:
        echo(f"{changed} changed")


def deleting(
    api: Api, names: list[str], criteria: Filter, *, expected: int | None, confirmed: bool, as_json: bool
) -> None:
    """Delete the endpoints that match, one after the other; report refusals and continue with the rest."""
    filter_ = _restricted(names, criteria)
    found = [edge["node"]["name"] for page in _pages(api, filter_) for edge in page["edges"]]
    if unknown := sorted(set(names).difference(found)) if not criteria else []:
        raise CommandError(f"{unknown[0]}: unknown endpoint; nothing was deleted")
    if expected is not None and expected != len(found):
        raise CommandError(f"{len(found)} endpoints match, not {expected}; nothing was deleted")
    if expected is None and not confirmed and found:
        typer.confirm(f"delete {len(found)} endpoints?", abort=True, err=True)
    refused: list[str] = []
    for name in found:
        try:
            api.execute(documents.DELETE_ENDPOINT, name=name)
        except Refused as error:
            refused.append(name)
            echo(f"reveille: {name}: {error}", err=True)
        else:
            if not as_json:
                echo(f"{name} deleted")
    if as_json:
        print_json({"deleted": [name for name in found if name not in refused], "refused": refused})
    if refused:
        raise typer.Exit(1)


def _filter(names: list[str], criteria: Filter) -> Filter:
    return {**criteria, "names": names} if names else criteria


def _restricted(names: list[str], criteria: Filter) -> Filter:
    if not names and not criteria:
        raise CommandError("expected names of endpoints or filter options: see --help", 2)
    return _filter(names, criteria)


def _pages(api: Api, filter_: Filter, first: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the pages of the first endpoints that match; all of them without ``first``."""
    after, left = None, first
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = api.execute(documents.ENDPOINTS, filter=filter_, first=size, after=after)["endpoints"]
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
        left = None if left is None else left - len(page["edges"])
