"""The moves between files that five paths through ``app/`` take, and the private functions of each package.

``python -m tools.roads`` runs ``reveille serve`` in this process, on a new SQLite file, with a simulated Leshan server
in another process, and drives it through its interfaces alone: GraphQL over HTTP and WebSocket, the webhook, and
signals. Every road is taken several times while ``sys.setprofile`` records; the run with the fewest calls counts,
because it is the one that no periodic task fell into.

=========================  =============================================================================================
webhook to notification    POST of a NOTIFICATION, until the commit of its value was published
mutation to row            ``createDeviceOperation`` over HTTP, until its response
claim to settle            the dispatcher's claim of a READ, until the commit of CONFIRMED was published
transition to subscriber   the commit of a transition, until its payload was sent on the WebSocket
answer to resource state   the bytes of Leshan's answer to a READ of a float, until its row of ``resource_state``
=========================  =============================================================================================

A call is a call event of a named function of ``app/``; the interpreter reports one, too, for each coroutine that
continues after it waited. A move is a call in another file than the call before, a move back one to a file that the
road has been in. Tasks that serve other purposes than the road are left out (``ASIDE``).

The private functions are counted by ``tools/privates.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tools.hygiene import ROOT
from tools.privates import print_privates
from tools.road_recording import Event, Recorder, figures

RUNS: Final = 6
WARM: Final = 2
"""Runs of a road that are not recorded: caches are filled."""

LIMIT_SECONDS: Final = 60.0

API: Final = ("http_protocol", "web.py", "schema", "models/live", "models/sqlite")
PERIODIC: Final = tuple(
    f"{package}/{module}"
    for package in ("dispatcher", "ingest")
    for module in ("sweeper", "inquiry", "withdrawing", "reconcil", "server_")
)
ASIDE: Final = {
    "webhook to notification": ("dispatcher/dispatcher", "models/live", "models/sqlite"),
    "mutation to row": ("dispatcher/dispatcher", "models/live"),
    "claim to settle": API,
    "transition to subscriber": ("http_protocol", "web.py", "dispatcher/dispatcher"),
    "answer to resource state": API,
}
"""Tasks and callbacks that do not belong to a road, by the beginning of the path of their outermost function: those of
other purposes, and the readings of the other ones in the threads of SQLite. :data:`PERIODIC` belong to none."""

_SWEPT: Final = re.compile(r"UPDATE leshan_server SET .*swept_at")


@dataclass(slots=True)
class Site:
    """The running process from outside: its addresses, and what a client does there."""

    recorder: Recorder
    url: str
    simulator: str
    runs: int = RUNS
    roads: dict[str, list[Event]] = field(default_factory=dict)
    depths: list[int] = field(default_factory=list)

    def post(self, url: str, body: Any = None) -> Any:
        data = json.dumps({} if body is None else body).encode()
        headers = {"content-type": "application/json", "accept": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=LIMIT_SECONDS) as response:  # noqa: S310
            return json.loads(response.read())

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = self.post(f"{self.url}/graphql", {"query": query, "variables": variables})
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return answer["data"]

    def report(self, event: str, **data: Any) -> None:
        """Post an event of Leshan to the webhook."""
        body = {"event": event, "data": data, "time": int(time.time() * 1000)}
        self.post(f"{self.url}/leshan/events", body)

    def registered(self, endpoint: str) -> dict[str, Any]:
        """Make a device register or update its registration at Leshan; return the registration."""
        self.post(f"{self.simulator}/sim/wake?ep={endpoint}")
        with urllib.request.urlopen(f"{self.simulator}/api/clients/{endpoint}", timeout=LIMIT_SECONDS) as response:  # noqa: S310
            registration: dict[str, Any] = json.loads(response.read())
        return registration

    def create_read(self, endpoint: str) -> str:
        """Create a READ of a float; return the operation's id."""
        wanted = {"endpoint": endpoint, "kind": "READ", "path": "/3303/0/5700"}
        mutation = (
            "mutation($i: CreateDeviceOperationInput!) {createDeviceOperation(input: $i) {operation {id status}}}"
        )
        id_: str = self.graphql(mutation, i=wanted)["createDeviceOperation"]["operation"]["id"]
        return id_

    def confirmed(self, id_: str) -> None:
        """Wait until the operation is CONFIRMED."""
        query = "query($i: ID!) {node(id: $i) {... on DeviceOperation {status}}}"
        until(lambda: self.graphql(query, i=id_)["node"]["status"] == "CONFIRMED")

    def take(self, act: Callable[[int], Any], cut: Callable[[list[Event]], dict[str, list[Event]]]) -> None:
        """Take roads several times; keep the shortest recording of each."""
        for number in range(WARM + self.runs):
            self.recorder.start()
            until(lambda: any(event.kind == "sql" and _SWEPT.match(event.text) for event in self.recorder.events))
            time.sleep(0.1)  # the next sweep, which is no part of any road, is 0.4 s away
            act(number)
            time.sleep(0.2)
            self.recorder.on = False
            if number >= WARM:
                for road, events in cut(list(self.recorder.events)).items():
                    kept = [event for event in events if not event.outermost.startswith(ASIDE[road] + PERIODIC)]
                    if road not in self.roads or figures(kept).calls < figures(self.roads[road]).calls:
                        self.roads[road] = kept


def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds; a connection that is refused counts as a condition that does not hold."""
    limit = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < limit:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.02)
    raise RuntimeError("the process does not do what was expected")


def _is_published(event: Event) -> bool:
    return event.kind == "return" and event.file.startswith("bus/") and event.text.endswith((".publish", ".notify"))


def _first(events: list[Event], wanted: Callable[[Event], bool], start: int = 0) -> int:
    return next(index for index in range(start, len(events)) if wanted(events[index]))


def _last(events: list[Event], wanted: Callable[[Event], bool], end: int) -> int:
    return next(index for index in range(end, -1, -1) if wanted(events[index]))


def _is_request(event: Event) -> bool:
    return event.kind == "call" and event.file == "http_protocol.py" and event.text.endswith(".data_received")


def _is_claim(event: Event) -> bool:
    return event.outermost.startswith("dispatcher/dispatcher") and event.file.startswith("models/ledger/ledger")


def take_webhook(site: Site) -> None:
    """Take the road from a POST to the webhook to the notification."""

    def post(number: int) -> None:
        site.recorder.start()
        value = {"kind": "singleResource", "id": 5700, "type": "FLOAT", "value": str(20 + number / 8)}
        site.report("NOTIFICATION", ep="dev-0001", res="/3303/0/5700", val=value)

    def cut(events: list[Event]) -> dict[str, list[Event]]:
        start = _first(events, _is_request)
        return {"webhook to notification": events[start : _first(events, _is_published, start) + 1]}

    site.take(post, cut)


def take_mutation(site: Site) -> None:
    """Take the road from a mutation to its response, for a device that sleeps."""

    def create(_: int) -> None:
        site.recorder.start()
        site.create_read("dev-0002")

    def cut(events: list[Event]) -> dict[str, list[Event]]:
        start = _first(events, _is_request)
        end = _first(events, lambda event: event.kind == "sent" and "http.response.body" in event.text, start)
        return {"mutation to row": events[start:end]}

    site.take(create, cut)


def take_read(site: Site) -> None:
    """Take the roads from the claim of a READ to its end, and from Leshan's answer to the state of the resource."""

    def read(number: int) -> None:
        value = 21.734 + number
        site.post(f"{site.simulator}/sim/value?ep=dev-0000", {"path": "/3303/0/5700", "value": f"{value}"})
        site.recorder.start(value)
        id_ = site.create_read("dev-0000")
        time.sleep(0.4)
        site.confirmed(id_)
        site.depths.append(site.recorder.depth)

    def cut(events: list[Event]) -> dict[str, list[Event]]:
        settled = _first(events, lambda event: event.kind == "read")
        created = _first(events, _is_published)
        claim = _first(events, _is_claim, created)
        answer = _last(events, lambda event: event.text.endswith(".data_received") and event.kind == "call", settled)
        row = _first(events, lambda event: event.kind == "sql" and "INTO resource_state" in event.text, settled)
        return {
            "claim to settle": events[claim : _first(events, _is_published, settled) + 1],
            "answer to resource state": events[answer:row],
        }

    site.take(read, cut)


def take_transition(site: Site) -> None:
    """Take the road from the commit of a transition to a subscriber."""
    from websockets.sync.client import connect  # noqa: PLC0415 - a part of uvicorn[standard]

    def create(_: int) -> None:
        site.recorder.start()
        site.create_read("dev-0002")
        while "QUEUED" not in str(socket_.recv(timeout=LIMIT_SECONDS)):
            pass

    def cut(events: list[Event]) -> dict[str, list[Event]]:
        end = _first(events, lambda event: event.kind == "sent" and "QUEUED" in event.text and "next" in event.text)
        start = _last(events, lambda event: event.kind == "sql" and event.text == "COMMIT", end)
        return {"transition to subscriber": events[start:end]}

    protocols: Any = ["graphql-transport-ws"]
    with connect(f"{site.url.replace('http', 'ws')}/graphql", subprotocols=protocols) as socket_:
        socket_.send(json.dumps({"type": "connection_init"}))
        socket_.recv()
        query = "subscription {operationTransitions {toStatus operation {id}}}"
        socket_.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": query}}))
        site.take(create, cut)


def take_all(site: Site) -> None:
    """Take the five roads; print their figures."""
    until(lambda: site.graphql("{__typename}"))
    until(lambda: site.registered("dev-0000"))
    for name in ("dev-0000", "dev-0001", "dev-0002"):
        site.report("REGISTRATION", **site.registered(name))
    site.post(f"{site.simulator}/sim/sleep?ep=dev-0002")
    site.report("SLEEPING", ep="dev-0002")
    time.sleep(1)
    for take in (take_webhook, take_mutation, take_read, take_transition):
        take(site)
    print(f"{'road':26}{'calls':>7}{'moves':>7}{'back':>7}{'files':>7}")
    for road in ASIDE:
        one = figures(site.roads[road])
        print(f"{road:26}{one.calls:7}{one.moves:7}{one.back:7}{one.files:7}")
    print(f"functions on the stack where the float of a READ answer is read: {max(site.depths)}")


def traced(road: list[Event]) -> Iterator[str]:
    """Yield the calls of a road, indented by depth."""
    depth = 0
    for event in road:
        if event.kind == "call":
            yield f"{'  ' * depth}{event.file} {event.text}"
        elif event.kind not in ("return",):
            yield f"{'  ' * depth}[{event.kind}] {event.text[:100]}"
        depth = max(0, depth + {"call": 1, "return": -1}.get(event.kind, 0))


def record(runs: int, show: str | None) -> None:
    """Run ``reveille serve`` in this thread, and the roads in another one."""
    recorder = Recorder()
    connect = sqlite3.connect

    def traced_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(lambda statement: recorder.note("sql", statement))
        return connection

    port, simulator_port = _free_port(), _free_port()
    site = Site(recorder, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator_port}", runs=runs)
    for name in [name for name in os.environ if name.startswith("REVEILLE_")]:
        del os.environ[name]

    def drive() -> None:
        try:
            take_all(site)
            if show is not None:
                print("\n".join(traced(site.roads[show])))
        except Exception:
            traceback.print_exc()
        finally:
            simulator.terminate()
            os.kill(os.getpid(), signal.SIGTERM)

    simulate = [sys.executable, "-m", "app.cli", "simulate", "--told", "--devices", "3", "--port", str(simulator_port)]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(simulate, cwd=ROOT, stdout=sys.stderr) as simulator:
        os.environ |= {
            "REVEILLE_DATABASE_URL": f"sqlite://{folder}/roads.db",
            "REVEILLE_LESHAN_URL": site.simulator,
            "REVEILLE_LESHAN_EVENTS": "webhook",
            "REVEILLE_PORT": str(port),
            "REVEILLE_LOG_LEVEL": "error",
        }
        sqlite3.connect = traced_connect  # type: ignore[assignment]
        threading.Thread(target=drive, daemon=True).start()
        threading.setprofile(recorder)
        sys.setprofile(recorder)
        try:
            from app.commands import cli  # noqa: PLC0415 - its imports come after the patch

            cli(["serve"], standalone_mode=False)
        finally:
            sys.setprofile(None)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", action="store_true", help="count functions only; take no road")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"recorded runs of each road (default: {RUNS})")
    parser.add_argument("--show", choices=list(ASIDE), metavar="ROAD", help="print the calls of one road, too")
    options = parser.parse_args()
    print_privates(ROOT / "app")
    if not options.count:
        record(options.runs, options.show)


if __name__ == "__main__":
    main()
