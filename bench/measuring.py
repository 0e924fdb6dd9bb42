"""The figures of a measurement, and the calculations that several measurements share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

_TICKS: Final = 100
"""Ticks of ``/proc`` per second (``getconf CLK_TCK``)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``goal`` is the target, in words; a reference value has none."""

    what: str
    value: float
    unit: str
    goal: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Used:
    """The resources that processes used: seconds of CPU since their start, and their peak memory in MiB."""

    cpu: float
    memory: float


def used_by(pids: Iterable[int]) -> Used:
    """Return the sum over these processes and their children (PostgreSQL's sessions are processes)."""
    own = [pid for first in pids for pid in family(first)]
    return Used(sum(map(_cpu, own)), sum(map(_memory, own)))


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in family(int(child)))]


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process, including those of children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _memory(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def medians(rounds: Sequence[Sequence[Figure]]) -> list[Figure]:
    """Return the median of all rounds for each figure, in the order of the first round."""
    values: dict[str, list[float]] = {}
    for figure in (figure for figures in rounds for figure in figures):
        values.setdefault(figure.what, []).append(figure.value)
    return [Figure(one.what, median(values[one.what]), one.unit, one.goal) for one in rounds[0]]


async def rate(count: int, work: Callable[[], Awaitable[object]]) -> float:
    """Return the rate per second at which ``work`` does its ``count`` repetitions."""
    started = time.perf_counter()
    await work()
    return count / (time.perf_counter() - started)


def share(ordered: Sequence[float], part: float) -> float:
    """Return the quantile of the values, for a part like 0.99."""
    return sorted(ordered)[min(len(ordered) - 1, int(len(ordered) * part))]
