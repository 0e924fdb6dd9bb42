"""``python -m tests.faults --runs N [--seed S] [--jobs J]``: random faults on real processes, checked by invariants.

Run n has the seed S + n.
"""

from __future__ import annotations

import argparse
import random
import sys

from rich.console import Console

from tests.faults.jobs import results
from tests.faults.statistics import Statistics


def main() -> None:
    """Run, print each run's line and the table, and exit with 1 if a run failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, help="of the first run; default: a new one, which is printed")
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time, each with processes of its own")
    asked = parser.parse_args()
    first = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    console = Console(soft_wrap=True)
    console.print(f"seed {first}")
    statistics = Statistics()
    for result in results(range(first, first + asked.runs), min(asked.jobs, asked.runs)):
        statistics.add(result)
        console.print(statistics.line(result), markup=False, highlight=False)
    console.print(statistics.table())
    sys.exit(1 if statistics.broken else 0)


if __name__ == "__main__":
    main()
