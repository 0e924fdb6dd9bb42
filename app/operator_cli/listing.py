"""``reveille ops list`` and ``show``."""

from __future__ import annotations

from typing import Any, Final

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api
from app.operator_cli.options import Filter
from app.operator_cli.tables import facts_table, operations_table, print_json, show, transitions_table

PAGE: Final = 200


def listing(api: Api, criteria: Filter, first: int, *, as_json: bool) -> None:
    """List the newest operations that match a filter, page by page."""
    found: list[dict[str, Any]] = []
    after, total = None, ""
    while len(found) < first:
        size = min(PAGE, first - len(found))
        page = api.execute(documents.LIST, filter=criteria, first=size, after=after)["deviceOperations"]
        found += [edge["node"] for edge in page["edges"]]
        total = f"{page['totalCount']}{'+' if page['totalCountCapped'] else ''}"
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    if as_json:
        print_json(found)
    else:
        show(operations_table(found, f"{len(found)} of {total} operations"))


def showing(api: Api, id_: str, *, as_json: bool) -> None:
    """Show one operation and its transitions."""
    operation = api.execute(documents.SHOW, id=id_)["deviceOperation"]
    if operation is None:
        raise CommandError(f"{id_}: unknown operation id")
    transitions = [edge["node"] for edge in operation.pop("transitions")["edges"]]
    if as_json:
        print_json({**operation, "transitions": transitions})
    else:
        show(facts_table(operation), transitions_table(transitions))
