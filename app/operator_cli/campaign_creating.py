"""``reveille campaigns create``: the input of a campaign from options."""

from __future__ import annotations

from typing import Any

import typer

from app.command_error import CommandError
from app.operator_cli import documents, fleet_documents
from app.operator_cli.campaigns import print_campaign
from app.operator_cli.connection import Api
from app.operator_cli.creating import Input, read_inputs, time_of
from app.operator_cli.firmware_packages import package_named
from app.operator_cli.options import Filter


def input_of(
    api: Api,
    name: str,
    criteria: Filter,
    endpoints: list[str],
    *,
    package: str | None,
    method: str | None,
    instance: int,
    operations: str | None,
    waves: list[str],
    per_minute: int | None,
    max_running: int | None,
    abort: str | None,
    start: str | None,
    end: str | None,
    window: str | None,
    time_zone: str,
    retries: int,
    continuous: bool,
) -> Input:
    """Return the ``CampaignInput`` of the options.

    Raises:
        CommandError: an option is invalid, or the package is unknown.
    """
    if (package is None) is (operations is None):
        raise CommandError("expected either --package or --operations: see --help", 2)
    firmware = None
    if package is not None:
        firmware = {"packageId": package_named(api, package)["id"], "objectInstanceId": instance}
        firmware |= {} if method is None else {"method": method.upper()}
    facts = {
        "name": name,
        "filter": {**criteria, "names": endpoints} if endpoints else criteria,
        "firmware": firmware,
        "operations": None if operations is None else read_inputs(operations),
        "waves": [_wave(text) for text in waves] or None,
        "startsPerMinute": per_minute,
        "maxRunning": max_running,
        "abort": None if abort is None else _abort(abort),
        "startAt": None if start is None else time_of(start, option="--start"),
        "endAt": None if end is None else time_of(end, option="--end"),
        "window": None if window is None else _window(window, time_zone),
        "retries": retries,
        "continuous": continuous,
    }
    return {field: fact for field, fact in facts.items() if fact is not None}


def create(api: Api, given: Input, *, confirmed: bool, as_json: bool) -> str:
    """Create a campaign, after the user has confirmed the number of endpoints that match now; return its id."""
    if not confirmed:
        count = api.execute(documents.ENDPOINT_COUNT, filter=given["filter"])["endpointCount"]
        typer.confirm(f"create a campaign for {count} endpoints?", abort=True, err=True)
    made = api.execute(fleet_documents.CREATE_CAMPAIGN, input=given)["createCampaign"]
    print_campaign(made, as_json=as_json)
    return str(made["id"])


def _wave(text: str) -> dict[str, Any]:
    percent, *others = text.split(",")
    approve = others[-1:] == ["approve"]
    if approve:
        others.pop()
    numbers = [_number(part, "--wave", text, "10,95,approve") for part in (percent, *others)]
    if len(numbers) > 2:
        raise CommandError(f"--wave: invalid wave {text!r}; expected for example 10,95,approve", 2)
    return dict(zip(("percent", "minSuccessPercent"), numbers, strict=False)) | {"approve": approve}


def _abort(text: str) -> dict[str, Any]:
    percent, _, ended = text.partition(",")
    abort: dict[str, Any] = {"failurePercent": _number(percent, "--abort", text, "10 or 10,50")}
    if ended:
        if not (ended.isascii() and ended.isdigit()):
            raise CommandError(f"--abort: invalid number of targets in {text!r}; expected for example 10,50", 2)
        abort["minEnded"] = int(ended)
    return abort


def _number(part: str, option: str, text: str, example: str) -> float:
    try:
        return float(part)
    except ValueError:
        raise CommandError(f"{option}: invalid number in {text!r}; expected for example {example}", 2) from None


def _window(text: str, time_zone: str) -> dict[str, str]:
    begin, dash, end = text.partition("-")
    if not dash:
        raise CommandError(f"--window: invalid hours {text!r}; expected for example 22:00-05:00", 2)
    return {"from": begin.strip(), "to": end.strip(), "timeZone": time_zone}
