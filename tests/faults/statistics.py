"""The table of many runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Group
from rich.table import Table

from tests.faults.run import Result


@dataclass
class Statistics:
    """Sums over runs."""

    runs: int = 0
    attempts: int = 0
    reconnections: int = 0
    slowest: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    broken: dict[int, list[str]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        self.runs += 1
        self.attempts += result.attempts
        self.reconnections += result.reconnections
        self.slowest = max(self.slowest, result.seconds)
        self.ends.update(result.ends)
        self.faults.update(result.faults)
        if result.broken:
            self.broken[result.seed] = result.broken

    @staticmethod
    def line(result: Result) -> str:
        """Return one line for a run, and a further one for each violation."""
        verdict = "broken:" if result.broken else "all invariants hold"
        operations, unknown = sum(result.ends.values()), result.ends.get("FAILED OUTCOME_UNKNOWN", 0)
        faults = ", ".join(sorted(result.faults))
        head = (
            f"seed {result.seed}: {operations} operations, {unknown} OUTCOME_UNKNOWN, {result.seconds:.0f} s, {verdict}"
        )
        return "\n".join([f"{head} ({faults})", *(f"    {breach}" for breach in result.broken)])

    def table(self) -> Group:
        """Return the tables of all sums."""
        sums = Table("runs", "broken", "operations", "requests", "reconnections", "slowest run")
        operations = f"{self.ends.total():,}"
        sums.add_row(
            *(f"{self.runs}", f"{len(self.broken)}", operations, f"{self.attempts:,}"),
            *(f"{self.reconnections}", f"{self.slowest:.0f} s"),
        )
        ends, faults = Table("ended", "operations"), Table("fault", "times")
        for how, count in self.ends.most_common():
            ends.add_row(how, f"{count:,}")
        for kind, count in self.faults.most_common():
            faults.add_row(kind, f"{count}")
        return Group(sums, ends, faults)
