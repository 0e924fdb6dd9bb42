"""The file of an embedded Reveille becomes read-only, and later writable again."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.bus.memory import MemoryBus
from app.health import Health
from app.models.database import migrate, reading
from app.models.invariant_check import violations
from app.models.ledger import Create, LedgerUnavailable, ProveWritable, open_store
from tests.support.ledger import LedgerWorld, new, registered

pytestmark = pytest.mark.asyncio


async def test_a_temporarily_read_only_file_is_reported_without_half_writes() -> None:
    with tempfile.TemporaryDirectory() as own:
        file = Path(own) / "reveille.db"
        url = f"sqlite://{file}"
        await migrate(url)
        world = LedgerWorld(url, open_store(url))
        ledger = await world.ledger()
        await world.ingest(registered("d"))
        operations = [new("d"), new("d")]
        with read_only(Path(own)):
            await ledger._disconnect()  # an open file stays writable: the next connection finds out
            with pytest.raises(LedgerUnavailable, match="readonly database"):
                await ledger.submit(Create(operations))
        created = await ledger.submit(Create(operations))
        assert await ledger.submit(Create(operations)) == created
        await world.reader.open()
        assert (await world.endpoint("d"))["queued"] == 2
        await world.reader.close()
        await ledger.close()
        assert await violations(url, now=world.now) == []


async def test_readiness_reports_the_read_only_file_and_its_recovery() -> None:
    with tempfile.TemporaryDirectory() as own:
        url = f"sqlite://{Path(own) / 'reveille.db'}"
        await migrate(url)
        world = LedgerWorld(url, open_store(url))
        ledger = await world.ledger()
        health = Health(1, MemoryBus().health, lambda: ledger.submit(ProveWritable()), uses_stream=False)
        async with reading(url):
            assert (await health.checks())["database"].ok
            with read_only(Path(own)):
                await ledger._disconnect()
                check = (await health.checks())["database"]
                assert (check.ok, "readonly database" in (check.cause or "")) == (False, True)
                assert not (await health.checks(["bus", "dispatcher"])).keys() & {"database"}
            assert (await health.checks())["database"].ok
        await ledger.close()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Remove every write permission; root, whom no permission binds, becomes another user meanwhile."""
    files, root = [folder, *folder.iterdir()], os.geteuid() == 0
    modes = [file.stat().st_mode for file in files]
    for file in files:
        file.chmod(0o555)
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for file, mode in zip(files, modes, strict=True):
            if file.exists():
                file.chmod(mode)
