"""``reveille status``: show what is waiting, for which device, since when, and what blocks it."""

from __future__ import annotations

import time
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import UNAVAILABLE, Api, Refused
from app.operator_cli.tables import Answer, age, parse_time, path_text, pauses_table, print_json, show, table

BLOCKED: Final = 3
"""The exit code if something prevents operations from being sent."""
REFRESH_SECONDS: Final = 2.0


def status(api: Api, *, as_json: bool, live: bool) -> int:
    """Show the state of the dispatch; return the exit code."""
    state = _fetch(api)
    if as_json:
        print_json(state)
    elif live:
        _follow(api, state)
    else:
        show(_render(state))
    return 0 if _is_clear(state) else BLOCKED


def _is_clear(state: Answer) -> bool:
    return state["ready"]["status"] == "ok" and "unknown" not in state and not state["lateLeases"]


def _fetch(api: Api) -> dict[str, Any]:
    """Return the readiness together with the database's status. While the database is unavailable, only readiness has
    the cause."""
    ready = api.ready()
    try:
        data = api.execute(documents.STATUS)
    except Refused as refused:
        if refused.code != UNAVAILABLE:
            raise
        return {"ready": ready, "unknown": str(refused)}
    counts = {one["status"]: one["count"] for one in data["operationCounts"]}
    return {"ready": ready, "counts": counts, **data["dispatchStatus"]}


def _follow(api: Api, state: dict[str, Any]) -> None:
    with Live(_render(state), refresh_per_second=4) as shown:
        while True:
            time.sleep(REFRESH_SECONDS)
            shown.update(_refreshed(api))


def _refreshed(api: Api) -> RenderableType:
    """Return the current state. A live view is usually open because something is wrong, so an unreachable Reveille is
    shown as part of the state."""
    try:
        return _render(_fetch(api))
    except CommandError as error:
        now = time.strftime("%H:%M:%S")
        return table("readiness", ("check", "", "detail"), [("api", "NOT OK", f"{now} {error}")])


def _render(state: Answer) -> RenderableType:
    if "unknown" in state:
        return _readiness(state)
    parts: list[RenderableType] = [_readiness(state), _counts(state)]
    if state["pauses"]:
        parts.append(pauses_table(state["pauses"]))
    if state["waiting"]:
        rows = [(w["presence"], w["endpoints"], w["operations"]) for w in state["waiting"]]
        parts.append(table("waiting operations by presence", ("presence", "endpoints", "operations"), rows))
    if state["longestWaiting"]:
        parts.append(_longest_waiting(state))
    return Group(*parts)


def _readiness(state: Answer) -> RenderableType:
    """Return a table of the readiness, with more exact figures of the database."""
    checks = state["ready"]["checks"]
    rows = [(name, "ok" if check["ok"] else "NOT OK", check["detail"]) for name, check in checks.items()]
    rows += [("status", "NOT OK", state["unknown"])] if "unknown" in state else _figures(state)
    return table("readiness", ("check", "", "detail"), rows)


def _figures(state: Answer) -> list[tuple[str, str, str]]:
    late = state["lateLeases"]
    rows = [("leases", "NOT OK" if late else "ok", f"{state['openCalls']} calls open, {late} leases overdue")]
    if state["heldByLeshan"]:
        rows.append(("held", "ok", f"{state['heldByLeshan']} requests are held by Leshan until their device wakes"))
    rows.append(("log", "ok", f"{state['logBehind']} entries not yet delivered to the subscribers of this API process"))
    probe = (state["leshanServer"] or {}).get("nextProbeAt")
    if probe is not None:
        rows.append(("probe", "ok", f"the next probe of Leshan is at {probe}"))
    return rows


def _counts(state: Answer) -> RenderableType:
    return table("operations", tuple(state["counts"]), [[f"{count:,}" for count in state["counts"].values()]])


def _longest_waiting(state: Answer) -> RenderableType:
    now = parse_time(state["at"])
    rows = [
        (
            one["endpoint"]["name"],
            one["endpoint"]["presence"],
            one["endpoint"]["pendingOperations"],
            one["kind"],
            path_text(one),
            one["waitingFor"],
            age(one["createdAt"], now),
        )
        for one in state["longestWaiting"]
    ]
    columns = ("endpoint", "presence", "pending", "oldest", "path", "waits for", "since")
    return table("longest waiting", columns, rows)
