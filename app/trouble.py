"""An expected trouble of whoever typed a command."""

from __future__ import annotations


class Trouble(Exception):
    """One line for whoever typed the command, and the exit code."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.code = code
