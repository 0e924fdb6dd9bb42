"""``reveille firmware update``, ``show``, ``updates`` and ``cancel``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import typer

from app.command_error import CommandError
from app.operator_cli import fleet_documents as documents
from app.operator_cli.connection import UNAVAILABLE, Api, Refused, Unreachable
from app.operator_cli.firmware_packages import package_named
from app.operator_cli.options import Filter, is_global_id
from app.operator_cli.paging import nodes_of
from app.operator_cli.tables import age, echo, fields_table, print_json, show, table

POLL_SECONDS: Final = 2.0
"""Seconds between two reads of an update that is waited for; its state changes seldom."""
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
NOT_SUCCEEDED: Final = 4
"""The exit code if an update that was waited for ended otherwise."""

Update = dict[str, Any]


def create(api: Api, endpoint: str, package: str, method: str | None, instance: int, *, as_json: bool) -> str:
    """Create an update; return its id."""
    facts = {"endpoint": endpoint, "package": package_named(api, package)["id"], "instance": instance}
    answer = api.execute(documents.CREATE_UPDATE, **facts, method=None if method is None else method.upper())
    made = answer["updateFirmware"]
    if as_json:
        print_json(made)
    else:
        echo(f"{made['id']}: {_line(made)}")
    return str(made["id"])


def wait(api: Api, id_: str, *, as_json: bool) -> None:
    """Show each new state of an update until it has ended.

    Raises:
        typer.Exit: with 4, it has not SUCCEEDED.
    """
    shown: Update | None = None
    while shown is None or shown["state"] not in ENDED:
        if shown is not None:
            time.sleep(POLL_SECONDS)
        update = _update(api, id_, patient=True)
        if shown is None or update["state"] != shown["state"]:
            if as_json:
                print_json(update)
            else:
                echo(_line(update))
        shown = update
    if shown["state"] != "SUCCEEDED":
        raise typer.Exit(NOT_SUCCEEDED)


def showing(api: Api, text: str, *, as_json: bool) -> None:
    """Show one update and its newest operations."""
    update = _update(api, _id(api, text))
    if as_json:
        print_json(update)
        return
    operations = update.pop("operations")
    show(fields_table("firmware update", _flat(update)))
    columns = ("kind", "path", "status", "reason", "detail", "created", "finished")
    keys = ("kind", "path", "status", "reason", "detail", "createdAt", "finishedAt")
    show(table("operations, newest first", columns, ([one[key] for key in keys] for one in operations)))


def listing(api: Api, criteria: Filter, first: int, *, as_json: bool) -> None:
    """List the newest updates that match a filter."""
    found = list(nodes_of(api, documents.UPDATES, ("firmwareUpdates",), first, **criteria))
    if as_json:
        print_json(found)
        return
    columns = ("endpoint", "package", "state", "reason", "campaign", "attempts", "age", "id")
    show(table(f"{len(found)} firmware updates", columns, map(_row, found)))


def canceling(api: Api, text: str, *, as_json: bool) -> None:
    """Cancel an update."""
    update = api.execute(documents.CANCEL_UPDATE, id=_id(api, text))["cancelFirmwareUpdate"]
    if as_json:
        print_json(update)
    else:
        echo(_line(update))


def _id(api: Api, text: str) -> str:
    """Return the id of an update that is named by its id, or by its endpoint."""
    if is_global_id(text, "FirmwareUpdate"):
        return text
    endpoint = api.execute(documents.UPDATE_OF, name=text)["endpoint"]
    if endpoint is None:
        raise CommandError(f"{text}: unknown endpoint or firmware update")
    if endpoint["firmwareUpdate"] is None:
        raise CommandError(f"{text}: the endpoint has no firmware update")
    return str(endpoint["firmwareUpdate"]["id"])


def _update(api: Api, id_: str, *, patient: bool = False) -> Update:
    """Return an update with its operations; while Reveille is unavailable, retry if ``patient``."""
    while True:
        try:
            update = api.execute(documents.UPDATE, id=id_)["firmwareUpdate"]
            break
        except (Refused, Unreachable) as error:
            if not patient or (isinstance(error, Refused) and error.code != UNAVAILABLE):
                raise
            time.sleep(POLL_SECONDS)
    if update is None:
        raise CommandError(f"{id_}: unknown firmware update")
    return {**update, "operations": [edge["node"] for edge in update["operations"]["edges"]]}


def _line(update: Mapping[str, Any]) -> str:
    versions = f"{update['versionBefore'] or '?'} -> {update['package']['version']}"
    why = " ".join(part for part in (update["reason"], update["detail"]) if part)
    return f"{update['stateSince']} {update['endpoint']['name']} {versions} {update['state']} {why}".rstrip()


def _row(update: Mapping[str, Any]) -> list[Any]:
    package, campaign = update["package"], update["campaign"] or {}
    about = [update["endpoint"]["name"], f"{package['name']} {package['version']}", update["state"], update["reason"]]
    return [*about, campaign.get("name"), update["attempts"], age(update["createdAt"]), update["id"]]


def _flat(update: Update) -> Update:
    package, campaign = update["package"], update["campaign"]
    return {
        **update,
        "endpoint": update["endpoint"]["name"],
        "presence": update["endpoint"]["presence"],
        "package": f"{package['name']} {package['version']}",
        "campaign": None if campaign is None else campaign["name"],
    }
