"""The lower bound: the same calls, from an aiohttp loop without a database or any other work."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import aiohttp
import uvloop


async def call(address: str, calls: int, opened: int) -> dict[str, float]:
    """Make so many calls, so many concurrently."""
    left = iter(range(calls))

    async def one(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.put(f"{address}/api/clients/x/5/0/1?timeout=30", json={"id": 1, "value": "x"}) as answer:
                await answer.json()

    connector = aiohttp.TCPConnector(limit=opened)
    async with aiohttp.ClientSession(connector=connector) as session:
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(one(session) for _ in range(opened)))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"rate": calls / seconds, "cpu": cpu / calls}


def main() -> None:
    """Make the calls, and print the rate (calls a second) and the CPU time of a call (seconds)."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare_calls", description=__doc__)
    parser.add_argument("address", help="of a Leshan server, like http://127.0.0.1:8080")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--open", type=int, default=100)
    arguments = parser.parse_args()
    print(json.dumps(uvloop.run(call(arguments.address, arguments.calls, arguments.open))))


if __name__ == "__main__":
    main()
