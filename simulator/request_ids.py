"""Ids of requests and their results, as Reveille's own Leshan server keeps them (mode ``reveille``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import orjson

from simulator.models import Json
from simulator.own_errors import as_own_error, delivery_of, own_error
from simulator.responses import JSON, HttpResponse

NOT_KEPT: Final = frozenset({400, 404, 409, 429})
"""Refusals before anything was sent: such a call may be repeated under its id."""


@dataclass(slots=True)
class _Entry:
    state: str = "RUNNING"
    answer: HttpResponse | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, state: str, answer: HttpResponse | None = None) -> None:
        if not self.done.is_set():
            self.state, self.answer = state, answer
            self.done.set()


class RequestIds:
    """The known ids and their results; none is removed, as a simulator does not run for long."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def begin(self, id_: str) -> bool:
        """Return whether the id is new: only then the call is made."""
        if id_ in self._entries:
            return False
        self._entries[id_] = _Entry()
        return True

    async def again(self, id_: str) -> HttpResponse:
        """Return the response to a known id, once its call has ended."""
        entry = self._entries[id_]
        await entry.done.wait()
        if entry.state == "CLOSED":
            return own_error(409, "REQUEST_CLOSED", f"Request {id_} is refused: it was asked about before it came")
        return entry.answer or own_error(500, "INTERRUPTED", f"Request {id_} was interrupted", "MAY_HAVE_REACHED")

    def end(self, id_: str, answer: HttpResponse | None) -> None:
        """Record that the call has ended; None: the server never received it, and something before it responded."""
        if answer is None or answer.status in NOT_KEPT:
            self._entries.pop(id_).end("NOT_RECEIVED", answer)
        else:
            self._entries[id_].end("DONE", as_own_error(answer))

    def interrupt(self) -> None:
        """Stop the server: the outcome of open calls is unknown."""
        for entry in self._entries.values():
            entry.end("INTERRUPTED")

    async def outcome(self, id_: str, *, close: bool, wait_seconds: float) -> HttpResponse:
        """Return the response to ``GET`` and (``close``) ``DELETE /api/requests/{id}``."""
        entry = self._entries.get(id_)
        if entry is None and close:
            self._entries[id_] = closed = _Entry()
            closed.end("CLOSED")
        if entry is not None and not entry.done.is_set():
            await _for_at_most(wait_seconds, entry.done)
        if entry is None or entry.state in {"CLOSED", "NOT_RECEIVED"}:
            return _json({"id": id_, "state": "NOT_RECEIVED"})
        content: dict[str, Json] = {"id": id_, "state": entry.state}
        if (answer := entry.answer) is not None:
            body = {"status": answer.status, "contentType": answer.content_type, "body": answer.body.decode()}
            content |= {"delivery": delivery_of(answer), "answer": body}
        return _json(content)


async def _for_at_most(seconds: float, done: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return


def _json(content: Json) -> HttpResponse:
    return HttpResponse(200, orjson.dumps(content), JSON)
