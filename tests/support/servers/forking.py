"""The process that forks (``forks.py``): it has imported the code of all roles, and runs a command line in each
fork."""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Final

import typer.main

from app.cli import main
from app.commands import cli
from tests.faults.moments import arm

_PR_SET_PDEATHSIG: Final = 1

_DEFERRED: Final = (
    "app.entrypoints.serve",
    "app.bus.redis",
    "app.models.invariant_check",
    "app.models.migration",
    "httpcore",
    "uvloop",
    "anyio._backends._asyncio",
)
"""The modules that take most of a start, because they import most others or are imported when they are first needed."""


def _serve() -> None:
    """Fork for each line of standard input."""
    _prepare()
    gc.collect()
    gc.freeze()  # otherwise each fork's first collection would copy all objects
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # exit codes are not collected here: no child becomes a zombie
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            _become(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _prepare() -> None:
    """Do once what each start would do: import the modules, and build all commands."""
    for module in _DEFERRED:
        importlib.import_module(module)
    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(cli)


def _become(order: dict[str, Any]) -> None:
    """Run the command line in the fork, with its own settings, log and exit code. Never return."""
    code = 1
    try:
        _leave_the_nest(order)
        arm(order["environment"])
        code = _run(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(order["code"]).write_text(str(code))
        os._exit(code)


def _leave_the_nest(order: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # a frozen process reacts to no other signal
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for path, theirs in zip(order["outputs"], (1, 2), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), theirs)
    faulthandler.register(signal.SIGUSR1)  # a process that hangs can be made to print its stack
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the input buffered from the orders belongs to the parent


def _run(arguments: list[str]) -> int:
    sys.argv = ["reveille", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    _serve()
