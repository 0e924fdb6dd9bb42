"""``reveille status``: show what is waiting, for which device, since when, and what blocks it."""

from __future__ import annotations

import time
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import TRY_AGAIN, Api, Refused
from app.operator_cli.tables import Answer, age, moment, pauses_table, print_json, show, table, where

IN_THE_WAY: Final = 3
"""The exit code if something prevents operations from being sent."""
AGAIN_SECONDS: Final = 2.0


def status(api: Api, *, as_json: bool, live: bool) -> int:
    """Show the state of the dispatch; return the exit code."""
    told = _asked(api)
    if as_json:
        print_json(told)
    elif live:
        _follow(api, told)
    else:
        show(_drawn(told))
    return 0 if _is_open(told) else IN_THE_WAY


def _is_open(told: Answer) -> bool:
    return told["ready"]["status"] == "ok" and "unknown" not in told and not told["lateLeases"]


def _asked(api: Api) -> dict[str, Any]:
    """Return the readiness together with the database's status. While the database is unavailable, only readiness has
    the cause."""
    ready = api.ready()
    try:
        data = api.ask(documents.STATUS)
    except Refused as refused:
        if refused.word != TRY_AGAIN:
            raise
        return {"ready": ready, "unknown": str(refused)}
    counts = {one["status"]: one["count"] for one in data["operationCounts"]}
    return {"ready": ready, "counts": counts, **data["dispatchStatus"]}


def _follow(api: Api, told: dict[str, Any]) -> None:
    with Live(_drawn(told), refresh_per_second=4) as shown:
        while True:
            time.sleep(AGAIN_SECONDS)
            shown.update(_drawn_anew(api))


def _drawn_anew(api: Api) -> RenderableType:
    """Return the current state. A live view is usually open because something is wrong, so an unreachable Reveille is
    shown as part of the state."""
    try:
        return _drawn(_asked(api))
    except CommandError as error:
        now = time.strftime("%H:%M:%S")
        return table("the road to the devices", ("part", "", "what is known"), [("api", "NOT OK", f"{now} {error}")])


def _drawn(told: Answer) -> RenderableType:
    if "unknown" in told:
        return _road(told)
    parts: list[RenderableType] = [_road(told), _counts(told)]
    if told["pauses"]:
        parts.append(pauses_table(told["pauses"]))
    if told["waiting"]:
        rows = [(w["presence"], w["endpoints"], w["operations"]) for w in told["waiting"]]
        parts.append(table("what waits, by what is known of the device", ("presence", "endpoints", "operations"), rows))
    if told["longestWaiting"]:
        parts.append(_longest(told))
    return Group(*parts)


def _road(told: Answer) -> RenderableType:
    """Return a table of the readiness, with more exact figures of the database."""
    checks = told["ready"]["checks"]
    rows = [(name, "ok" if check["ok"] else "NOT OK", check["detail"]) for name, check in checks.items()]
    rows += [("status", "NOT OK", told["unknown"])] if "unknown" in told else _exactly(told)
    return table("the road to the devices", ("part", "", "what is known"), rows)


def _exactly(told: Answer) -> list[tuple[str, str, str]]:
    late = told["lateLeases"]
    rows = [("leases", "NOT OK" if late else "ok", f"{told['openCalls']} calls are out, {late} past their time")]
    if told["heldByLeshan"]:
        rows.append(("held", "ok", f"{told['heldByLeshan']} requests are held by Leshan until their device wakes"))
    rows.append(("log", "ok", f"{told['logBehind']} entries are still to be told to subscribers of the API asked"))
    probe = (told["leshanServer"] or {}).get("nextProbeAt")
    if probe is not None:
        rows.append(("probe", "ok", f"Leshan is looked for again at {probe}"))
    return rows


def _counts(told: Answer) -> RenderableType:
    return table("operations", tuple(told["counts"]), [[f"{count:,}" for count in told["counts"].values()]])


def _longest(told: Answer) -> RenderableType:
    now = moment(told["at"])
    rows = [
        (
            one["endpoint"]["name"],
            one["endpoint"]["presence"],
            one["endpoint"]["pendingOperations"],
            one["kind"],
            where(one),
            one["waitingFor"],
            age(one["createdAt"], now),
        )
        for one in told["longestWaiting"]
    ]
    columns = ("endpoint", "presence", "pending", "oldest", "path", "waits for", "since")
    return table("who waits longest", columns, rows)
