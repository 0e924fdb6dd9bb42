"""The functions of each package of ``app/``: private ones, those of them that are used once, and median length.

A function is private if its name begins with one underscore, and a single-use private if its name is used once, in its
own file. Methods and inner functions count. Part of ``python -m tools.roads``.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(slots=True)
class Privates:
    """The functions of a package: their lines, the private ones, and those of them that are used once."""

    lines: list[int] = field(default_factory=list)
    private: int = 0
    single_use: int = 0

    def add(self, module: str) -> None:
        """Count the functions of a module's source text, methods and inner functions included."""
        uses: Counter[str] = Counter()
        private: list[str] = []
        for node in ast.walk(ast.parse(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.lines.append((node.end_lineno or node.lineno) - node.lineno + 1)
                if node.name.startswith("_") and not node.name.startswith("__"):
                    private.append(node.name)
            elif isinstance(node, ast.Name):
                uses[node.id] += 1
            elif isinstance(node, ast.Attribute):
                uses[node.attr] += 1
        self.private += len(private)
        self.single_use += sum(uses[name] == private.count(name) for name in private)

    def __str__(self) -> str:
        count = max(1, len(self.lines))
        shares = [f"{number:6} {100 * number / count:3.0f} %" for number in (self.private, self.single_use)]
        return f"{len(self.lines):10}{shares[0]:>12}{shares[1]:>12}{median(self.lines or [0]):8.0f}"


def print_privates(app: Path) -> None:
    """Print the functions of each package of ``app/``."""
    packages: dict[str, Privates] = {}
    for path in sorted(app.rglob("*.py")):
        parts = path.relative_to(app).parts
        names = ["(simulator)"] if "simulator" in parts else [parts[0] if len(parts) > 1 else "(top level)", "(all)"]
        for name in names:
            packages.setdefault(name, Privates()).add(path.read_text())
    print(f"{'package':16}{'functions':>10}{'private':>12}{'single-use':>12}{'median':>8}")
    for name in sorted(packages):
        print(f"{name:16}{packages[name]}")
