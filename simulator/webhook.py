"""Posts events to Reveille's ``/leshan/events``: lists in order, signed, retried until they are accepted."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx
import orjson
from standardwebhooks import Webhook

from simulator.config import Mode, SimulatorConfig
from simulator.events import PublishedEvent

_BATCH: Final = 500
_KEPT: Final = 100_000
_AGAIN_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 30.0


class WebhookPoster:
    """An outbox in memory and a single task that empties it. Above 100,000 unsent events, the oldest are dropped."""

    def __init__(self, config: SimulatorConfig) -> None:
        self._config = config
        self._url = config.webhook_url
        self._signer = Webhook(config.webhook_secret) if config.webhook_secret else None
        self._outbox: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.posted = 0
        self.refused = 0

    def take(self, published: PublishedEvent) -> None:
        """Enqueue one event for posting."""
        if self._config.mode is Mode.REVEILLE:
            event = orjson.loads(published.envelope())
        else:
            event = {
                "event": published.name,
                "data": _data(published.data),
                "time": int(published.time * 1000),
                "seq": published.seq,
            }
        if self._config.server_name is not None:
            event["server"] = self._config.server_name
        self._outbox.append(event)
        self._ready.set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop; unsent events are lost, as with a stock server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                await self._ready.wait()
                self._ready.clear()
                while self._outbox:
                    batch = [self._outbox.popleft() for _ in range(min(_BATCH, len(self._outbox)))]
                    await self._post(client, orjson.dumps(batch if len(batch) > 1 else batch[0]))

    async def _post(self, client: httpx.AsyncClient, body: bytes) -> None:
        """Post until the events are accepted, or refused for good (4xx): the same ``webhook-id`` each time."""
        message_id = f"msg_{uuid4().hex}"
        while True:
            try:
                answer = await client.post(str(self._url), content=body, headers=self._headers(message_id, body))
                if answer.is_success:
                    self.posted += 1
                    return
                if answer.status_code < 500 and answer.status_code != 429:
                    self.refused += 1
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(_AGAIN_SECONDS)

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(message_id, now, body.decode())
        if self._config.webhook_token is not None:
            headers["authorization"] = f"Bearer {self._config.webhook_token}"
        return headers


def _data(data: bytes) -> Any:
    """Return the event's JSON; JSON that stock Leshan broke by a name with ``"`` is returned as text."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode()
