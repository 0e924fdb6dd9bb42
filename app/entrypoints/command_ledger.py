"""The ledger of a command, and the name under which the audit lists the command."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import AsyncIterator

from app.models.ledger import Ledger, open_store
from app.process import SERVER_ID, rules_of
from app.security import COMMAND_PREFIX, MAX_NAME_LENGTH
from app.settings import Settings


@contextlib.asynccontextmanager
async def command_ledger(settings: Settings) -> AsyncIterator[Ledger]:
    """Run a ledger that works beside running processes and notifies none of them.

    Raises:
        StoreUnavailable, UnsafeDatabase: the database cannot be used.
    """
    ledger = Ledger(
        open_store(settings.database_url),
        rules_of(settings),
        notify=lambda _channel: None,
        server_id=SERVER_ID,
        server_name=settings.leshan_name,
    )
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


def command_actor() -> str:
    """Return ``cli:USER`` for the user that runs the command."""
    try:
        return f"{COMMAND_PREFIX}{getpass.getuser()}"[:MAX_NAME_LENGTH]
    except (OSError, KeyError):  # no name, in a container with an arbitrary user id
        return f"{COMMAND_PREFIX}{os.getuid()}"
