"""A bare Starlette route that parses JSON and accepts it, served as Reveille is: the reference for the webhook."""

from __future__ import annotations

import argparse

import orjson
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.serving import listen, serving, termination_signal


async def _accept(request: Request) -> Response:
    events = orjson.loads(await request.body())
    taken = len(events) if isinstance(events, list) else 1
    return Response(orjson.dumps({"accepted": taken}), 202, media_type="application/json")


async def _serve() -> None:
    stop, listening = termination_signal(), listen("127.0.0.1", 0)
    async with serving(Starlette(routes=[Route("/leshan/events", _accept, methods=["POST"])]), [listening]):
        print(f"address=http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        await stop.wait()


def main() -> None:
    """Serve until the process is terminated; the first line of output is the address."""
    argparse.ArgumentParser(prog="python -m bench.bare_route", description=__doc__).parse_args()
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
