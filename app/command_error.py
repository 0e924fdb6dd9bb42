"""The error with which a command ends as expected."""

from __future__ import annotations


class CommandError(Exception):
    """One line for the user of the command, and the exit code."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.code = code
