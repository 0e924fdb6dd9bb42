"""The resources of each process over time: memory, open files and connections, from ``/proc``."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from bench.measuring import family

ROLES: Final = ("api", "dispatch", "bridge")
FLAT_FILES: Final = 10.0
"""Open files, or connections, by which the last fifth of a run may exceed its middle."""
FLAT_MEMORY: Final = 8.0
"""The same limit for memory, in MiB."""


@dataclass(frozen=True, slots=True)
class Held:
    """The present resources of a process and its children: private memory (MiB), open files, and the sockets among
    these."""

    memory: float
    files: float
    sockets: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of all processes by name, so many minutes after the start."""

    minutes: float
    held: Mapping[str, Held]


def held_by(pid: int) -> Held:
    """Return the resources of a process. Memory shared with others, as PostgreSQL's buffers are, is not counted."""
    memory = files = sockets = 0.0
    for one in family(pid):
        with contextlib.suppress(OSError):  # a session that has just ended
            memory += _own_memory(one)
            names = [_target(file) for file in Path(f"/proc/{one}/fd").iterdir()]
            files += len(names)
            sockets += sum(name.startswith("socket:") for name in names)
    return Held(memory, files, sockets)


def _own_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon:")), 0.0)


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Course:
    """One figure over a run: means of its first, middle and last fifth, and its growth per minute in the second half
    (least squares)."""

    start: float
    middle: float
    end: float
    slope: float


def course(minutes: Sequence[float], values: Sequence[float]) -> Course:
    fifth, half = max(1, len(values) // 5), len(values) // 2
    middle = (len(values) - fifth) // 2
    means = [statistics.mean(values[start : start + fifth]) for start in (0, middle, len(values) - fifth)]
    later = (minutes[half:], values[half:])
    slope = statistics.linear_regression(*later).slope if len(values) - half > 1 else 0.0
    return Course(means[0], means[1], means[2], slope)


def courses(samples: Sequence[Sample]) -> dict[tuple[str, str], Course]:
    """Return the courses by process and figure."""
    minutes = [sample.minutes for sample in samples]
    return {
        (name, figure): course(minutes, [getattr(sample.held[name], figure) for sample in samples])
        for name in samples[0].held
        for figure in Held.__slots__
    }


def table(found: Mapping[tuple[str, str], Course]) -> Table:
    """Return a table of all courses."""
    shown = Table("process", "what", "start", "middle", "end", "a minute, second half")
    for (name, figure), one in found.items():
        unit = "memory, MiB" if figure == "memory" else figure
        shown.add_row(name, unit, f"{one.start:.1f}", f"{one.middle:.1f}", f"{one.end:.1f}", f"{one.slope:+.2f}")
    return shown


def growing(found: Mapping[tuple[str, str], Course]) -> list[str]:
    """Return the figures that grew, of Reveille's own processes; of the others only their connections, which Reveille
    causes: a PostgreSQL session keeps every table that it has used open, and the simulator all received requests."""
    return [
        f"{name}: {figure} went from {one.middle:.1f} in the middle to {one.end:.1f} at the end"
        for (name, figure), one in found.items()
        if (figure == "sockets" or name.partition("-")[0] in ROLES)
        and one.end - one.middle > (FLAT_MEMORY if figure == "memory" else FLAT_FILES)
    ]
