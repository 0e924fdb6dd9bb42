"""``reveille campaigns watch``: follow a campaign to its end, in lines, in JSON, or in a live table."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar

from app.command_error import CommandError
from app.operator_cli import fleet_documents as documents
from app.operator_cli.campaigns import status_line
from app.operator_cli.connection import Api, follow_on
from app.operator_cli.tables import cell_text, echo, print_json, table

SHOWN: Final = 12
"""Targets in the live table: those that changed last."""
FINISHED: Final = frozenset({"ABORTED", "COMPLETED", "CANCELED"})
NOT_COMPLETED: Final = 4
"""The exit code if a campaign ended otherwise than COMPLETED, or a target of it is FAILED or CANCELED."""
_OPEN: Final = frozenset({"WAITING", "RUNNING"})
_BAD: Final = frozenset({"FAILED", "CANCELED"})

Answer = dict[str, Any]


def watching(api: Api, id_: str, *, as_json: bool) -> None:
    """Follow a campaign until it has ended, and each of its targets.

    Raises:
        typer.Exit: with 4, it is not COMPLETED, or a target is FAILED or CANCELED.
    """
    # the cursor is read before the campaign: no change falls between the two
    known = api.execute(documents.WATCHED, id=id_)
    campaign = known["campaign"]
    if campaign is None:
        raise CommandError(f"{id_}: unknown campaign")
    with _shown(campaign, as_json=as_json) as output:
        output({"campaign": campaign, "target": None})
        if not _has_ended(campaign):
            for event in follow_on(api, documents.PROGRESS, "campaignProgress", known["transitionCursor"], id=id_):
                output(event)
                campaign = event["campaign"]
                if _has_ended(campaign):
                    break
    if campaign["status"] != "COMPLETED" or _count(campaign, _BAD):
        raise typer.Exit(NOT_COMPLETED)


def _has_ended(campaign: Mapping[str, Any]) -> bool:
    return campaign["status"] in FINISHED and not _count(campaign, _OPEN)


def _count(campaign: Mapping[str, Any], states: frozenset[str] | None = None) -> int:
    return sum(one["count"] for one in campaign["counts"] if states is None or one["state"] in states)


@contextmanager
def _shown(campaign: Answer, *, as_json: bool) -> Iterator[Callable[[Answer], None]]:
    if as_json:
        yield print_json
    elif sys.stdout.isatty():
        live = _LiveTable(campaign)
        with live.view:
            yield live
    else:
        yield _Lines()


class _Lines:
    """A line for each change of a target, and for each that users see of the campaign itself."""

    def __init__(self) -> None:
        self._last: tuple[Any, ...] = ()

    def __call__(self, event: Answer) -> None:
        campaign, target = event["campaign"], event["target"]
        if target is not None:
            why = f" {target['detail']}" if target["detail"] else ""
            echo(f"{target['changedAt']} {target['endpoint']['name']} wave {target['wave']} {target['state']}{why}")
        facts = (campaign["status"], campaign["reason"], campaign["wave"])
        if facts != self._last or _has_ended(campaign):
            self._last = facts
            echo(status_line(campaign))


class _LiveTable:
    """A table that is redrawn: the campaign, the number of targets in each state, and those that changed last."""

    def __init__(self, campaign: Answer) -> None:
        self._campaign = campaign
        self._targets: deque[Answer] = deque(maxlen=SHOWN)
        self.view = Live(self._render(), refresh_per_second=8)

    def __call__(self, event: Answer) -> None:
        self._campaign = event["campaign"]
        if (target := event["target"]) is not None:
            others = [one for one in self._targets if one["endpoint"] != target["endpoint"]]
            self._targets = deque([*others, target], maxlen=SHOWN)
        self.view.update(self._render())

    def _render(self) -> RenderableType:
        campaign, total = self._campaign, _count(self._campaign)
        progress = table(f"campaign {campaign['name']}", ("status", "wave", "reason", "targets"), ())
        facts = (campaign["status"], campaign["wave"], campaign["reason"], f"{total:,}")
        progress.add_row(*map(cell_text, facts))
        states = table("targets", ("state", "number", ""), ())
        for one in campaign["counts"]:
            bar = ProgressBar(total=max(1, total), completed=one["count"], width=40)
            states.add_row(cell_text(one["state"]), cell_text(f"{one['count']:,}"), bar)
        columns = ("endpoint", "wave", "state", "attempts", "detail")
        rows = [(one["endpoint"]["name"], *(one[key] for key in columns[1:])) for one in reversed(self._targets)]
        return Group(progress, states, table("changed last", columns, rows))
