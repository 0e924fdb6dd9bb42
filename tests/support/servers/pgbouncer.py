"""PgBouncer in front of a PostgreSQL of the tests, on a Unix socket in its own folder; as `nobody` when root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.servers.postgres import PostgresServer
from tests.support.servers.process import Account, start

PORT: Final = 6432


def binary() -> str | None:
    """Return the path of the program, or None if it is not installed. Debian installs it outside the usual PATH."""
    return shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


@contextmanager
def pgbouncer(server: PostgresServer, **settings: str) -> Iterator[str]:
    """Run PgBouncer in front of all databases of the server; yield the address of the database ``postgres``.

    Raises:
        FileNotFoundError: PgBouncer is not installed.
    """
    if (program := binary()) is None:
        raise FileNotFoundError("no pgbouncer")
    account = None
    with tempfile.TemporaryDirectory(prefix="reveille-bouncer-") as own:
        home = Path(own)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account = Account(nobody.pw_uid, nobody.pw_gid)
            os.chown(home, account.uid, account.gid)
        values = {
            "unix_socket_dir": home,
            "listen_port": PORT,
            "auth_type": "any",
            "pool_mode": "transaction",
            **settings,
        }
        lines = ["[databases]", f"* = host={server.server.folder} user=postgres", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in values.items()]
        (home / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        socket = home / f".s.PGSQL.{PORT}"
        running = start(
            [program, home / "pgbouncer.ini"], home, ready=socket.exists, account=account, stop_signal=signal.SIGINT
        )
        try:
            yield f"postgres://postgres@/postgres?host={home}&port={PORT}"
        finally:
            running.kill()
