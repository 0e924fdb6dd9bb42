"""The webhook over HTTP: which callers are admitted, which bodies are accepted as a whole, and the form of a
refusal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette

from app.domain.events import Awake, EndpointEvent, Registered, Reported
from app.leshan import webhook_http
from app.leshan.webhook import Batch, Form, IngestUnavailable, webhook_routes
from app.leshan.webhook_http import AdmissionLimiter
from tests.support import loopback
from tests.unit.leshan.captures import load

pytestmark = pytest.mark.asyncio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
TOKEN = "a-token-of-the-webhook"
AWAKE = {"event": "AWAKE", "data": {"ep": "dev"}}


class Ear:
    """A receiver that accepts batches or is unavailable."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.unavailable = False

    async def __call__(self, batch: Batch) -> None:
        if self.unavailable:
            raise IngestUnavailable
        self.batches.append(batch)


@pytest.fixture
def ear() -> Ear:
    return Ear()


async def post(
    ear: Ear,
    body: Any = AWAKE,
    *,
    path: str = "/leshan/events",
    headers: dict[str, str] | None = None,
    caller: str = "127.0.0.1",
    **settings: Any,
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.ASGITransport(Starlette(routes=webhook_routes(ear, **settings)), client=(caller, 40_000))
    async with loopback.AsyncClient(transport=transport, base_url="http://reveille") as client:
        return await client.post(path, content=content, headers=headers)


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature}


async def test_one_event_from_this_machine(ear: Ear) -> None:
    answer = await post(ear)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    assert ear.batches == [Batch([Awake(endpoint="dev")], None, Form.WEBHOOK)]


async def test_a_list_is_one_batch(ear: Ear) -> None:
    answer = await post(ear, [AWAKE, {"event": "SLEEPING", "data": {"ep": "x"}, "more": 1}])
    assert answer.json() == {"accepted": 2}
    assert len(ear.batches) == 1


async def test_a_list_is_accepted_whole_or_not_at_all(ear: Ear) -> None:
    answer = await post(ear, [AWAKE, {"event": "AWAKE", "data": {}}])
    assert (answer.status_code, answer.json()["field"]) == (422, "[1].data.ep")
    assert ear.batches == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"", 400, None),
        (b'{"event":"AWAKE","data":{"ep":"a","x":NaN}}', 400, None),
        (b"[" * 100_000, 400, None),
        (b'"AWAKE"', 400, None),
        (b"\xff\xfe", 400, None),
        ({"event": "WAVE", "data": {}}, 400, "event"),
        ({"event": "COAPLOG", "data": {}}, 400, "event"),
        ([7], 400, None),
        ({"data": {}}, 422, "event"),
        ({"event": 5, "data": {}}, 422, "event"),
        ({"event": "AWAKE"}, 422, "data"),
        ({"event": "AWAKE", "data": []}, 422, "data"),
        ({"event": "AWAKE", "data": {"ep": "a\x00b"}}, 422, "data.ep"),
        ({"event": "AWAKE", "data": {"ep": "a"}, "time": "now"}, 422, "time"),
        ({"event": "AWAKE", "data": {"ep": "a"}, "time": -(2**63)}, 422, "time"),
        ({"event": "AWAKE", "data": {"ep": "a"}, "seq": "7"}, 422, "seq"),
        ([AWAKE] * 1001, 413, None),
        (b" " * (4 * 1024 * 1024 + 1), 413, None),
    ],
)
async def test_invalid_bodies_are_answered_with_a_sentence(ear: Ear, body: Any, status: int, field: str | None) -> None:
    answer = await post(ear, body)
    assert answer.status_code == status
    assert answer.json().get("field") == field
    assert answer.json()["error"]
    assert "Traceback" not in answer.text
    assert ear.batches == []


async def test_an_endless_number_is_refused(ear: Ear) -> None:
    body = b'{"event":"AWAKE","data":{"ep":"a"},"time":' + b"9" * 5000 + b"}"
    assert (await post(ear, body)).status_code in {400, 422}


async def test_the_age_is_measured_only_by_the_senders_clock(ear: Ear) -> None:
    body = {**AWAKE, "time": 1_795_448_700_000, "seq": 3}
    await post(ear, body, headers={"webhook-timestamp": "1795449300"})
    await post(ear, body)
    await post(ear, {**AWAKE, "time": 1_795_449_400_000}, headers={"webhook-timestamp": "1795449300"})
    events = [event for batch in ear.batches for event in batch.events if isinstance(event, Awake)]
    assert [(event.age, event.ordered) for event in events] == [(600_000_000, True), (0, True), (0, False)]


async def test_a_valid_signature_is_accepted(ear: Ear) -> None:
    body = json.dumps(AWAKE).encode()
    answer = await post(ear, body, headers=signed(body), caller="203.0.113.7", secrets=[OTHER, SECRET])
    assert answer.status_code == 202
    assert ear.batches[0].delivery_id == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "soon"},
        {"webhook-id": "msg_2"},
    ],
)
async def test_a_wrong_signature_is_refused(ear: Ear, change: dict[str, str]) -> None:
    body = json.dumps(AWAKE).encode()
    answer = await post(ear, body, headers={**signed(body), **change}, secrets=[SECRET])
    assert answer.status_code == 401
    assert ear.batches == []


async def test_an_old_signature_is_refused(ear: Ear) -> None:
    body = json.dumps(AWAKE).encode()
    assert (await post(ear, body, headers=signed(body, at=time.time() - 3600), secrets=[SECRET])).status_code == 401


async def test_a_signed_body_that_is_no_text_is_refused(ear: Ear) -> None:
    assert (await post(ear, b"\xff\xfe", headers=signed(b"x"), secrets=[SECRET])).status_code == 401


async def test_a_valid_bearer_token_is_accepted_and_a_wrong_one_refused(ear: Ear) -> None:
    right, wrong = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer wrong"}
    assert (await post(ear, headers=right, caller="203.0.113.7", token=TOKEN)).status_code == 202
    assert (await post(ear, headers=wrong, token=TOKEN)).status_code == 401
    assert (await post(ear, token=TOKEN)).status_code == 401
    assert (await post(ear, headers=right, secrets=[SECRET])).status_code == 401


async def test_without_secret_and_token_only_this_machine_is_accepted(ear: Ear) -> None:
    assert (await post(ear, caller="203.0.113.7")).status_code == 401
    assert (await post(ear, headers={"X-Forwarded-For": "203.0.113.7"})).status_code == 401
    assert (await post(ear, caller="::1")).status_code == 202


async def test_a_delivery_id_that_cannot_be_stored_is_refused(ear: Ear) -> None:
    assert (await post(ear, headers={"webhook-id": "x" * 256})).status_code == 400


async def test_an_unavailable_database_is_503(ear: Ear) -> None:
    ear.unavailable = True
    answer = await post(ear)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert answer.json() == {"error": "The events cannot be stored now. Send them again."}


POSTS = load("old-webhooks.json")


@pytest.mark.parametrize("old", POSTS, ids=range(len(POSTS)))
async def test_every_older_post_is_accepted(ear: Ear, old: dict[str, Any]) -> None:
    pretty = json.dumps(old["body"], indent=2).encode()
    headers = {
        "Content-Type": "application/json",
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    }
    answer = await post(ear, pretty, path=old["path"], headers=headers)
    assert answer.status_code == 202
    assert [batch.form for batch in ear.batches] == [Form.OLDER]
    (told,) = ear.batches[0].events
    assert isinstance(told, EndpointEvent)
    assert told.endpoint == old["body"]["ep"]


SINGLE = {"ep": "dev", "obj_id": 10240, "val": {"kind": "singleResource", "id": 0, "type": "TIME", "value": 5}}


async def test_the_older_address_needs_the_token_from_other_machines(ear: Ear) -> None:
    path = "/leshan_api/resource/single"
    elsewhere: dict[str, Any] = {"caller": "203.0.113.7", "token": TOKEN}
    assert (await post(ear, SINGLE, path=path, **elsewhere)).status_code == 401
    assert (await post(ear, SINGLE, path=f"/w/wrong{path}", **elsewhere)).status_code == 401
    assert (await post(ear, SINGLE, path=f"/w/{TOKEN}{path}", **elsewhere)).status_code == 202
    assert (await post(ear, SINGLE, path=f"/w/{TOKEN}{path}")).status_code == 401
    assert (await post(ear, SINGLE, path=path, token=TOKEN)).status_code == 401
    assert (await post(ear, SINGLE, path=path, secrets=[SECRET])).status_code == 401
    assert (await post(ear, SINGLE, path=path, trust_loopback=lambda: False)).status_code == 401
    assert (await post(ear, SINGLE, path=path)).status_code == 202
    assert isinstance(ear.batches[0].events[0], Registered)


@pytest.mark.parametrize("path", ["/leshan/events", "/leshan_api/resource/single"])
async def test_a_post_of_a_web_page_does_not_count_as_this_machines(ear: Ear, path: str) -> None:
    """A browser lets any page post text to 127.0.0.1, and sends the page's origin."""
    headers = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
    assert (await post(ear, SINGLE, path=path, headers=headers)).status_code == 401
    assert ear.batches == []


async def test_an_older_post_that_cannot_be_read_names_the_field(ear: Ear) -> None:
    answer = await post(ear, {"ep": "dev", "val": 5}, path="/leshan_api/resource/composite")
    assert (answer.status_code, answer.json()["field"]) == (422, "val")
    assert (await post(ear, b"{", path="/leshan_api/resource/single")).status_code == 400


async def test_the_result_of_another_users_call_does_not_refuse_the_others(ear: Ear) -> None:
    theirs = {"ep": "dev", "requestId": "nightly-job/1", "delayed": False, "response": {}}
    answer = await post(ear, [{"event": "REQUEST_RESPONSE", "data": theirs}, AWAKE])
    assert answer.status_code == 202
    assert [batch.events for batch in ear.batches] == [[Awake(endpoint="dev")]]


async def test_the_server_decides_whether_notifications_wake(ear: Ear) -> None:
    event = {"event": "SEND", "data": {"ep": "dev", "val": {}}}
    await post(ear, event)
    await post(ear, event, notifications_wake=True)
    assert [one.wakes for batch in ear.batches for one in batch.events if isinstance(one, Reported)] == [False, True]


async def test_an_event_that_is_larger_than_a_usual_post_is_accepted(ear: Ear) -> None:
    """Our Leshan server posts it alone; if refused, it would be set aside."""
    values = {"/3303/0/5700": {"kind": "singleResource", "id": 5700, "type": "STRING", "value": "x" * 3_000_000}}
    answer = await post(ear, [{"event": "SEND", "data": {"ep": "dev", "val": values}}])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})


class SlowBody:
    """A body whose first piece arrives at once, and the rest when the test allows it."""

    def __init__(self, first: bytes, rest: bytes = b"") -> None:
        self.first, self.rest = first, rest
        self.asked, self.begun, self.may_end = False, asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        if self.first:
            yield self.first
        self.begun.set()
        await self.may_end.wait()
        yield self.rest


@asynccontextmanager
async def client_of(ear: Ear, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=webhook_routes(ear, **settings)), client=("127.0.0.1", 40_000))
    async with loopback.AsyncClient(transport=transport, base_url="http://reveille") as client:
        yield client


BEARER = {"Authorization": f"Bearer {TOKEN}"}


def limited(monkeypatch: pytest.MonkeyPatch, verified: int, unverified: int) -> None:
    monkeypatch.setattr(AdmissionLimiter.__init__, "__defaults__", (verified, unverified))


async def test_concurrent_bodies_are_bounded_by_the_budget(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 1_000, 1_000)
    body = SlowBody(b" " * 980, b"[]")
    async with client_of(ear) as client:
        first = asyncio.create_task(client.post("/leshan/events", content=body))
        await body.begun.wait()
        second = await client.post("/leshan/events", json=AWAKE)
        assert (second.status_code, second.headers["retry-after"]) == (503, "2")
        body.may_end.set()
        assert (await first).status_code == 202
        assert (await client.post("/leshan/events", json=AWAKE)).status_code == 202


@pytest.mark.parametrize("path", ["/leshan/events", "/leshan_api/resource/single"])
async def test_the_number_of_slow_callers_is_unlimited(ear: Ear, path: str) -> None:
    body = AWAKE if path == "/leshan/events" else SINGLE
    slow = [SlowBody(b" ", json.dumps(body).encode()) for _ in range(300)]
    async with client_of(ear) as client:
        waiting = [asyncio.create_task(client.post(path, content=one)) for one in slow]
        await asyncio.gather(*(one.begun.wait() for one in slow))
        assert (await client.post(path, json=body)).status_code == 202
        for one in slow:
            one.may_end.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {202}


@pytest.mark.parametrize(
    "path", ["/leshan/events", "/leshan_api/resource/single", f"/w/{TOKEN}/leshan_api/resource/composite"]
)
async def test_a_body_that_is_incomplete_at_its_time_limit_is_408(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(webhook_http, "BODY_SECONDS", 0.02)
    settings: dict[str, Any] = {"token": TOKEN} if path.startswith("/w/") else {}
    async with client_of(ear, **settings) as client:
        assert (await client.post(path, content=SlowBody(b"["))).status_code == 408
        assert (await client.post(path, content=SlowBody(b""))).status_code == 408


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/leshan/events", {}),
        ("/leshan/events", {"Authorization": "Bearer wrong"}),
        ("/leshan/events", {"webhook-id": "1", "webhook-signature": "v1,AAAA"}),
        ("/leshan/events", {"webhook-id": "1", "webhook-signature": "v1,AAAA", "webhook-timestamp": "1"}),
        ("/leshan/events", {"webhook-id": "1", "webhook-signature": "v1,AAAA", "webhook-timestamp": "nan"}),
        ("/leshan/events", {"webhook-id": "1", "webhook-signature": "v2,AAAA", "webhook-timestamp": "now"}),
        ("/leshan/events", {"webhook-signature": "v1,AAAA", "webhook-timestamp": "now"}),
        ("/leshan_api/resource/single", {}),
        ("/leshan_api/resource/composite", BEARER),
        ("/w/wrong/leshan_api/resource/single", {}),
        ("/w/wrong/leshan_api/resource/composite", {}),
    ],
)
async def test_an_unverifiable_caller_is_refused_before_its_body_is_read(
    ear: Ear, path: str, headers: dict[str, str]
) -> None:
    body = SlowBody(b"[")
    if headers.get("webhook-timestamp") == "now":
        headers = {**headers, "webhook-timestamp": str(int(time.time()))}
    async with client_of(ear, token=TOKEN, secrets=[SECRET]) as client:
        assert (await client.post(path, content=body, headers=headers)).status_code == 401
    assert not body.asked


async def test_a_body_that_is_declared_too_large_is_not_read(ear: Ear) -> None:
    body = SlowBody(b"[")
    async with client_of(ear) as client:
        answer = await client.post("/leshan/events", content=body, headers={"content-length": str(5 * 1024 * 1024)})
    assert (answer.status_code, body.asked) == (413, False)


async def test_unverified_bytes_do_not_use_the_budget_of_token_callers(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 1_000, 1_000)
    forged = {**signed(b"x"), "webhook-signature": "v1,AAAA"}
    body = SlowBody(b" " * 1_000)
    async with client_of(ear, token=TOKEN, secrets=[SECRET]) as client:
        held = asyncio.create_task(client.post("/leshan/events", content=body, headers=forged))
        await body.begun.wait()
        assert (await client.post("/leshan/events", json=AWAKE, headers=BEARER)).status_code == 202
        assert not held.done()
        body.may_end.set()
        assert (await held).status_code == 401


async def test_a_signed_body_replaces_the_one_that_is_read_for_longest(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged signature is detected once the body is complete; forged bodies that are held back cannot block honest
    ones."""
    limited(monkeypatch, 1_000, 1_000)
    forged = {**signed(b"x"), "webhook-signature": "v1,AAAA"}
    bodies = [SlowBody(b" " * 500) for _ in range(2)]
    async with client_of(ear, secrets=[SECRET]) as client:
        held = []
        for body in bodies:
            held.append(asyncio.create_task(client.post("/leshan/events", content=body, headers=forged)))
            await body.begun.wait()
        honest = json.dumps(AWAKE).encode()
        assert (await client.post("/leshan/events", content=honest, headers=signed(honest))).status_code == 202
        assert (await held[0]).status_code == 503
        assert not held[1].done()
        bodies[1].may_end.set()
        assert (await held[1]).status_code == 401


async def test_a_verified_body_counts_until_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 200, 200)
    honest = json.dumps([AWAKE] * 2 + [{**AWAKE, "more": "x" * 50}]).encode()
    committing, may_commit = asyncio.Event(), asyncio.Event()

    async def ingest(batch: Batch) -> None:
        committing.set()
        await may_commit.wait()

    async with client_of(ingest, secrets=[SECRET]) as client:  # type: ignore[arg-type]
        first = asyncio.create_task(client.post("/leshan/events", content=honest, headers=signed(honest)))
        await committing.wait()
        assert (await client.post("/leshan/events", content=honest, headers=signed(honest))).status_code == 503
        may_commit.set()
        assert (await first).status_code == 202
        assert (await client.post("/leshan/events", content=honest, headers=signed(honest))).status_code == 202
