"""Run a command: its settings, its event loop, and the errors that end it with one line.

The module of a role is imported when its process starts, so that a process has the components of its role only.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from app.command_error import CommandError

if TYPE_CHECKING:
    from app.settings import Settings

ProcessName: TypeAlias = Literal["serve", "api", "dispatch", "bridge"]
"""The command of a process."""

MAX_PORT: Final = 65_535

Work: TypeAlias = Coroutine[Any, Any, None]


def run_process(name: ProcessName, health_port: int | None = None) -> None:
    """Run a process until a signal arrives. ``health_port`` is for ``dispatch`` and ``bridge``.

    Raises:
        CommandError: a setting is invalid, or the database or an address cannot be used.
    """
    gc.disable()  # until the imports are done, which would take an eighth longer
    exclude_optional_packages()
    settings = read_settings()
    if name in ("dispatch", "bridge") and settings.leshan_url is None:
        raise CommandError("REVEILLE_LESHAN_URL: missing; expected the address of the Leshan server", 2)
    work = _work(name, settings, health_port)
    if name in ("dispatch", "bridge"):
        gc.collect()  # of 0.8 MiB, in 0.03 s; an API saves the time, which is twice as much there
    run(work)


def _work(name: ProcessName, settings: Settings, health_port: int | None) -> Work:
    match name:
        case "serve":
            from app.entrypoints.serve import run_everything

            return run_everything(settings)
        case "api":
            from app.entrypoints.api import run_api

            return run_api(settings)
        case "dispatch":
            from app.entrypoints.dispatch import run_dispatcher

            return run_dispatcher(settings, health_port)
        case "bridge":
            from app.entrypoints.bridge import run_bridge

            return run_bridge(settings, health_port)


def exclude_optional_packages() -> None:
    """Let the imports of these packages fail: libraries use them if they are installed, for features that a process
    does not need. They take 9 MiB: Rich and Pygments (structlog's tracebacks, httpx's command line), watchfiles
    (uvicorn's reload), greenlet (structlog's contexts), and OpenTelemetry (redis-py's metrics), of which only the
    metrics unless spans are recorded. ``reveille ops`` and its like need Rich, and keep it."""
    from app.settings import traces_exporter

    telemetry = "opentelemetry" if traces_exporter() == "none" else "opentelemetry.sdk.metrics"
    for package in ("rich", "pygments", "watchfiles", "greenlet", telemetry):
        sys.modules.setdefault(package, None)  # type: ignore[arg-type] # documented: None ends an import


def read_settings() -> Settings:
    """Return the validated settings, and configure logging accordingly.

    Raises:
        CommandError: a setting is invalid.
    """
    from app.settings import LogFormat, SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        raise CommandError(str(error), 2) from None
    from app.telemetry import configure_logging

    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    return settings


def run(work: Work, *, database: bool = True) -> None:
    """Run the coroutine to its end.

    Raises:
        CommandError: the database or an address cannot be used.
    """
    try:
        _collect_garbage_rarely()
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(work)
    except Exception as error:
        if database and _of_the_database(error):
            raise CommandError(f"REVEILLE_DATABASE_URL: {_line(error)}") from None
        if isinstance(error, OSError):
            raise CommandError(_line(error)) from None
        raise


def _collect_garbage_rarely() -> None:
    """Freeze the objects that the imports created, so that the collector does not scan them again and again, and let it
    run after 20,000 new objects instead of 700, because nearly everything is freed without it. An operation costs some
    5 % less."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def _of_the_database(error: Exception) -> bool:
    import sqlite3

    from asyncpg import InterfaceError, PostgresError
    from tortoise.exceptions import BaseORMException

    from app.models.ledger import LedgerUnavailable, UnsafeDatabase
    from app.models.ledger.store import StoreRefused
    from app.models.postgres import UnsupportedDatabase
    from app.serving import AddressUnusable

    unusable = (UnsafeDatabase, UnsupportedDatabase, LedgerUnavailable, StoreRefused)
    expected = (OSError, sqlite3.Error, PostgresError, InterfaceError, BaseORMException, *unusable)
    return isinstance(error, expected) and not isinstance(error, AddressUnusable)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # comes with uvicorn[standard]

    return uvloop.new_event_loop()
