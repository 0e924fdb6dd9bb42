"""The expected error of a command."""

from __future__ import annotations


class CommandError(Exception):
    """An error of a command: one line for the user, and the exit code."""

    def __init__(self, line: str, exit_code: int = 1) -> None:
        super().__init__(line)
        self.exit_code = exit_code
