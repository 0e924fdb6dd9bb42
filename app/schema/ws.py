"""graphql-transport-ws, hardened: nothing that a client sends may cost more than its own operation or its own socket.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import orjson
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)

from app.schema.context import Asker
from app.schema.errors import ApiError, Code, is_hash_only, over_limit, persisted_query_not_supported
from app.schema.fanout import Ask, Ended, payload_of
from app.schema.limits import MAX_SUBSCRIPTIONS
from app.telemetry import get_logger

if TYPE_CHECKING:
    from app.schema.http import GraphQLView

log = get_logger(__name__)


class TokenMissing(Exception):
    """``connection_init`` came without a token where one is needed."""


class TextWebSocket(ASGIWebSocketAdapter):
    """Also sends text that is JSON already, and knows when nobody listens any more."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self.send_text(orjson.dumps(message).decode())

    async def send_text(self, text: str) -> None:
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected  # closed by us, for another operation's sake
        try:
            await self.ws.send_text(text)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error


class TransportHandler(BaseGraphQLTransportWSHandler[Asker, None]):
    """One connection. Strawberry's handler, with its weak spots covered."""

    view: GraphQLView
    websocket: TextWebSocket

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._preparing = asyncio.Lock()
        """Held in the order of arrival, in which operations begin although long documents are prepared in a thread."""

    async def handle_message(self, message: Any) -> None:
        # Strawberry indexes into whatever it gets: a bare list or a string payload would end in a TypeError
        if not _well_formed(message):
            await self.handle_invalid_message("Invalid message")
            return
        if message["type"] == "connection_init" and message.get("payload") is None:
            message = {"type": "connection_init"}
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        try:
            await super().handle_connection_init(message)
        except TokenMissing:
            await self.websocket.close(code=4401, reason="Unauthorized")

    async def handle_subscribe(self, message: Any) -> None:
        # before Strawberry's own checks: its error has no code, and it takes a query for granted
        error = self._refusal(message["payload"])
        if self.connection_acknowledged and error is not None:
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
            return
        await super().handle_subscribe(message)

    def _refusal(self, payload: Mapping[str, Any]) -> ApiError | None:
        if len(self.operations) >= MAX_SUBSCRIPTIONS:
            message = f"Too many open operations on the connection; at most {MAX_SUBSCRIPTIONS} are allowed."
            return over_limit(message, MAX_SUBSCRIPTIONS)
        if is_hash_only(payload.get("query"), payload.get("extensions")):
            return persisted_query_not_supported()
        return None

    async def run_operation(self, operation: Operation[Asker, None]) -> None:
        """Serve one operation to its end; alone, or from an execution that it shares."""
        ask = Ask(operation.query, operation.variables, operation.operation_name)
        try:
            async with self._preparing:
                shared = await self.view.fanout.shareable(ask)
                results = None if shared else await self._prepare(operation)
            end = await (self._share(operation, ask) if results is None else self._execute(operation, results))
            await self._finish(operation, end)
        except WebSocketDisconnected:
            return
        except Exception as error:
            log.exception("websocket_operation_failed", error=str(error))
            with suppress(WebSocketDisconnected):
                failed = ApiError(Code.INTERNAL, "The operation failed; send it again.")
                await self._finish(operation, Ended([failed.formatted]))

    async def _share(self, operation: Operation[Asker, None], ask: Ask) -> Ended:
        viewer = self.context.viewer
        assert viewer is not None  # noqa: S101 - acknowledged, so known
        prefix = _prefix(operation.id)
        with self.view.fanout.join(ask, viewer) as member:
            while True:
                payload = await member.take()
                if isinstance(payload, Ended):
                    return payload
                await self.websocket.send_text(f"{prefix}{payload}}}")

    async def _prepare(self, operation: Operation[Asker, None]) -> Any:
        """Return the results of an operation that is executed when the first one is awaited."""
        return await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=self.context,
            operation_name=operation.operation_name,
        )

    async def _execute(self, operation: Operation[Asker, None], results: Any) -> Ended:
        prefix = _prefix(operation.id)
        async with aclosing(results):
            async for result in results:
                payload = payload_of(result)
                if isinstance(payload, Ended):
                    return payload
                await self.websocket.send_text(f"{prefix}{payload}}}")
        return Ended()

    async def _finish(self, operation: Operation[Asker, None], end: Ended) -> None:
        if end.errors is None:
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        else:
            errors: Any = end.errors
            await operation.send_operation_message({"id": operation.id, "type": "error", "payload": errors})


def _prefix(id_: str) -> str:
    """A ``next`` message up to its payload: each subscriber has its own id, all share the payload."""
    return f'{{"id":{orjson.dumps(id_).decode()},"type":"next","payload":'


def _well_formed(message: Any) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] not in ("subscribe", "complete"):
        return True
    if not isinstance(message.get("id"), str) or not message["id"]:
        return False
    return message["type"] == "complete" or _is_request(message.get("payload"))


def _is_request(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and (isinstance(payload.get("query"), str) or is_hash_only(payload.get("query"), payload.get("extensions")))
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )
