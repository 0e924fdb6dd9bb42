#!/usr/bin/env bash
# asyncpg 0.32.0: with several hosts in the URL, one that accepts the connection and is silent hides the others.
#
# Expected: asyncpg takes the several hosts of libpq's URLs for failover, so the time limit of `connect` applies to each
# host, as libpq's `connect_timeout` does: a PostgreSQL server that is frozen (its kernel still accepts connections) costs
# one time limit, and the next host is used.
# Observed: the limit is that of all hosts together. The wait for the first one uses it up, the second host is never
# tried, and `connect` raises TimeoutError, whatever the limit is. psycopg 3.3.9 on libpq tries the second host.
# Workaround: connect to each host by itself, at the same time or with a limit for each.
#
# The first server below accepts connections and does not respond; the second one counts its connections and closes them.
# Needs Python 3.11 or newer; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check asyncpg==0.32.0 "psycopg[binary]==3.3.9"

cat >finding.py <<'PYTHON'
import asyncio
import socket

import asyncpg
import psycopg


async def main():
    connections = 0

    async def count(reader, writer):
        nonlocal connections
        connections += 1
        writer.close()

    silent = socket.create_server(("127.0.0.1", 0))
    second = await asyncio.start_server(count, "127.0.0.1", 0)
    ports = silent.getsockname()[1], second.sockets[0].getsockname()[1]
    url = "postgresql://user@127.0.0.1:{},127.0.0.1:{}/database".format(*ports)

    async def by_asyncpg():
        await asyncpg.connect(url, timeout=3, ssl=False)

    async def by_libpq():
        await psycopg.AsyncConnection.connect(url + "?connect_timeout=2&sslmode=disable")

    for connect in (by_asyncpg, by_libpq):
        connections = 0
        try:
            await connect()
        except Exception as error:
            print(connect.__name__, type(error).__name__, "connections to the second host:", connections)


asyncio.run(main())
PYTHON
venv/bin/python finding.py | tee seen

cat >expected <<'TEXT'
by_asyncpg TimeoutError connections to the second host: 0
by_libpq OperationalError connections to the second host: 1
TEXT
diff expected seen && echo "As found: asyncpg never tries the host after a silent one."
