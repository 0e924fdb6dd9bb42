"""The store for a database address."""

from __future__ import annotations

from pathlib import Path

from app.models.ledger.postgres_store import PostgresStore
from app.models.ledger.store import Store


def open_store(database_url: str, *, unsafe: bool = False) -> Store:
    """Return a store (not yet opened) for ``sqlite://path`` or ``postgres://..``."""
    if database_url.startswith("sqlite://"):
        # deferred: the address decides, and SQLite's driver takes 2 MiB
        from app.models.ledger.sqlite_store import SqliteStore  # noqa: PLC0415

        return SqliteStore(Path(database_url.removeprefix("sqlite://")))
    return PostgresStore(database_url, unsafe=unsafe)
