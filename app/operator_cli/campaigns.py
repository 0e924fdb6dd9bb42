"""``reveille campaigns``: list, show, list targets, and change the status of campaigns by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.command_error import CommandError
from app.operator_cli import fleet_documents as documents
from app.operator_cli.connection import Api
from app.operator_cli.options import Filter, is_global_id
from app.operator_cli.paging import nodes_of
from app.operator_cli.tables import age, echo, fields_table, print_json, show, table

Campaign = dict[str, Any]


def campaign_id(api: Api, name: str) -> str:
    """Return the id of a campaign by its name or id.

    Raises:
        CommandError: there is none of this name.
    """
    if is_global_id(name, "Campaign"):
        return name
    for campaign in nodes_of(api, documents.CAMPAIGN_IDS, ("campaigns",)):
        if campaign["name"] == name:
            return str(campaign["id"])
    raise CommandError(f"{name}: unknown campaign; see: reveille campaigns list")


def listing(api: Api, criteria: Filter, first: int, *, as_json: bool) -> None:
    """List the newest campaigns that match a filter."""
    found = list(nodes_of(api, documents.CAMPAIGNS, ("campaigns",), first, **criteria))
    if as_json:
        print_json(found)
        return
    columns = ("name", "status", "reason", "work", "wave", "targets", "age")
    show(table(f"{len(found)} campaigns", columns, map(_row, found)))


def showing(api: Api, name: str, *, as_json: bool) -> None:
    """Show one campaign."""
    campaign = api.execute(documents.CAMPAIGN, id=campaign_id(api, name))["campaign"]
    if campaign is None:
        raise CommandError(f"{name}: unknown campaign")
    print_campaign(campaign, as_json=as_json)


def targets(api: Api, name: str, criteria: Filter, first: int, *, as_json: bool) -> None:
    """List the first targets of a campaign that match a filter."""
    id_ = campaign_id(api, name)
    found = list(nodes_of(api, documents.TARGETS, ("campaign", "targets"), first, id=id_, **criteria))
    if as_json:
        print_json(found)
        return
    columns = ("endpoint", "wave", "state", "attempts", "changed", "detail", "firmware update")
    show(table(f"{len(found)} targets", columns, map(_target_row, found)))


def act(api: Api, mutation: str, name: str, *, as_json: bool, **variables: str) -> None:
    """Change the status of a campaign by the document of a mutation."""
    (answer,) = api.execute(mutation, id=campaign_id(api, name), **variables).values()
    if as_json:
        print_json(answer)
    else:
        echo(status_line(answer))


def print_campaign(campaign: Campaign, *, as_json: bool) -> None:
    """Print all fields of a campaign."""
    if as_json:
        print_json(campaign)
    else:
        flat = {**campaign, "package": _work(campaign) if campaign["package"] else None, "counts": counts(campaign)}
        show(fields_table("campaign", flat))


def status_line(campaign: Mapping[str, Any]) -> str:
    """Return name, status, reason and counts of a campaign."""
    reason = f" ({campaign['reason']})" if campaign["reason"] else ""
    return f"{campaign['name']}: {campaign['status']}{reason}, wave {campaign['wave']}; targets: {counts(campaign)}"


def counts(campaign: Mapping[str, Any]) -> str:
    """Return the number of targets in each state that any has."""
    return ", ".join(f"{one['count']} {one['state']}" for one in campaign["counts"] if one["count"]) or "none"


def _work(campaign: Mapping[str, Any]) -> str:
    package = campaign["package"]
    return "operations" if package is None else f"{package['name']} {package['version']}"


def _row(campaign: Mapping[str, Any]) -> list[Any]:
    about = [campaign["name"], campaign["status"], campaign["reason"], _work(campaign), campaign["wave"]]
    return [*about, counts(campaign), age(campaign["createdAt"])]


def _target_row(target: Mapping[str, Any]) -> list[Any]:
    update = target["update"]
    about = [target["endpoint"]["name"], target["wave"], target["state"], target["attempts"], age(target["changedAt"])]
    return [*about, target["detail"], None if update is None else f"{update['state']} {update['reason'] or ''}".strip()]
