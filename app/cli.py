"""The console script ``reveille``.

A process has hardly any options, so its command line is recognized here. All other command lines are parsed by Typer:
with pydantic, which it needs, it takes 11 MiB, and a process would keep them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Final

from app.command_error import CommandError
from app.command_runner import MAX_PORT, ProcessName, run_process
from app.printable import printable

_PORT: Final = re.compile(r"[0-9]{1,5}")


def main() -> None:
    """Run the console script. Expected errors end with one line and exit code 1, invalid settings with exit code 2."""
    try:
        process = process_of(sys.argv[1:])
        if process is not None:
            run_process(*process)
            return
        from app.commands import cli  # noqa: PLC0415 - not in a process

        cli(prog_name="reveille")
    except CommandError as error:
        sys.stderr.write(f"reveille: {printable(str(error))}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # while a process starts; Typer ends all other commands alike
        sys.exit(130)


def process_of(arguments: Sequence[str]) -> tuple[ProcessName, int | None] | None:
    """Return the process of these arguments and its health port. Return None for anything else, such as an invalid
    port, which Typer refuses."""
    match arguments:
        case ["serve" | "api" | "dispatch" | "bridge" as name]:
            return name, None
        case ["dispatch" | "bridge" as name, "--health-port", port] if _PORT.fullmatch(port) and int(port) <= MAX_PORT:
            return name, int(port)
    return None


if __name__ == "__main__":
    main()
