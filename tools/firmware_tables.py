"""Keep the diagram and the table of `docs/firmware-updates.md` equal to the code: write them, or with `--check` only
compare."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.domain.enums import DAY, FirmwareMethod, FirmwareUpdateState
from app.domain.firmware import LIMITS, SENDS, STATES, TIMEOUTS, TRANSITIONS, End, Event, Go, Step, Then
from app.fleet.update_requests import request_of
from app.fleet.update_rows import UpdateRow
from tools.pages import with_table, write_or_check

PAGE: Final = Path(__file__).parents[1] / "docs/firmware-updates.md"

_ANYWHERE: Final = (Event.DEADLINE, Event.CANCEL, Event.DELETED)
"""Events with the same consequence in every step."""


def diagram() -> str:
    """Return the states and their transitions as a Mermaid diagram, without those that are possible everywhere."""
    edges = dict.fromkeys(_edges())
    lines = [f"    {source} --> {target}" for source, target in edges]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {FirmwareUpdateState.QUEUED}", *lines, "```"])


def _edges() -> Iterator[tuple[str, str]]:
    for step, row in TRANSITIONS.items():
        for event, then in row.items():
            if event not in _ANYWHERE:
                target = then.state if isinstance(then, End) else STATES[then.step]
                if target is not STATES[step]:
                    yield STATES[step], target
                if isinstance(then, Go) and then.limit is not None:
                    yield STATES[step], FirmwareUpdateState.FAILED


def steps() -> str:
    """Return the table of steps and events in Markdown."""
    head = ["| State | Step | Operation | Event: what follows |", "|---|---|---|---|"]
    rows = []
    for step in Step:
        cells = "<br>".join(
            f"{event}: {_then(then)}" for event, then in TRANSITIONS[step].items() if event not in _ANYWHERE
        )
        rows.append(f"| {STATES[step]} | {step} | {_operation(step)} | {cells} |")
    return "\n".join([*head, *rows])


def _then(then: Then) -> str:
    if isinstance(then, End):
        succeeded = then.state is FirmwareUpdateState.SUCCEEDED
        reason = then.reason or ("" if succeeded else "with the device's Update Result")
        return f"**{then.state}** {reason}".rstrip()
    if then.limit is None:
        return str(then.step)
    otherwise = then.otherwise or "the device's Update Result"
    return f"{then.step} ({then.limit.lower()}: at most {LIMITS[then.limit]}, else {otherwise})"


def _operation(step: Step) -> str:
    if step not in SENDS:
        return "(waits)"
    row = UpdateRow(0, 0, 0, None, FirmwareMethod.PULL, 0, 0, None, STATES[step], 0, 0)
    request = request_of("", row, step, "URI")
    written = "" if request.value is None else f" `{request.value!r}`"
    return f"{request.kind} {request.path}{written}".replace("/5/0", "/5/x")


def timeouts() -> str:
    """Return the time-outs of the states in Markdown."""
    rows = [f"| {state} | {timeout // DAY} days |" for state, timeout in TIMEOUTS.items()]
    return "\n".join(["| State | fails after |", "|---|---|", *rows])


def filled(text: str) -> str:
    """Return the text of the page with its tables replaced by the current ones. Raises as :func:`with_table` does."""
    for name, table in (("states", diagram()), ("timeouts", timeouts()), ("steps", steps())):
        text = with_table(text, name, table)
    return text


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, filled))
