"""graphql-transport-ws with additional checks: invalid input affects only the client's own operation or socket.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack, aclosing, suppress
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.types.unset import UNSET

from app.authentication import AuthenticationUnavailable
from app.schema.api.context import SchemaContext
from app.schema.errors import ApiError, Code, over_limit
from app.schema.execution.context import Requester
from app.schema.execution.errors import is_persisted
from app.schema.execution.schema import schema
from app.schema.limits import MAX_SUBSCRIPTIONS
from app.schema.transport.fanout import Ended, Fanout, SubscribeRequest, payload_of
from app.security import Viewer, bearer_token
from app.telemetry import get_logger

log = get_logger(__name__)


class TokenMissing(Exception):
    """``connection_init`` without a token, although one is required."""


class TextWebSocket(ASGIWebSocketAdapter):
    """Strawberry's WebSocket adapter that can send JSON text, and raises WebSocketDisconnected on a closed socket."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self.send_text(orjson.dumps(message).decode())

    async def send_text(self, text: str) -> None:
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected  # the server closed it because of another operation
        try:
            await self.ws.send_text(text)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().close(code, reason)


class TransportHandler(BaseGraphQLTransportWSHandler[Requester, None]):
    """Strawberry's handler of one connection, with stricter checks of messages and shared subscriptions."""

    view: WebSocketView
    websocket: TextWebSocket

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._preparing = asyncio.Lock()
        """Lock that starts operations in order of arrival, although long documents are prepared in a thread."""
        self._session = ExitStack()
        self._closing: asyncio.Task[None] | None = None

    async def handle(self) -> None:
        with self._session:
            await super().handle()

    async def handle_message(self, message: Any) -> None:
        # Strawberry does not check the types: a list as message or a string as payload would raise a TypeError
        if not _well_formed(message):
            await self.handle_invalid_message("Invalid message")
            return
        if message["type"] == "connection_init" and message.get("payload") is None:
            message = {"type": "connection_init"}
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        again = self.connection_acknowledged
        try:
            await super().handle_connection_init(message)
        except TokenMissing:
            await self.websocket.close(code=4401, reason="Unauthorized")
        except AuthenticationUnavailable:
            await self.websocket.close(code=1013, reason="Try again later")
        if self.connection_acknowledged and not again:
            session = self.context.services.authenticator.session(self._viewer, self._end_session)
            self._session.enter_context(session)

    @property
    def _viewer(self) -> Viewer:
        viewer = self.context.viewer
        assert viewer is not None  # noqa: S101 - set before the acknowledgment
        return viewer

    def _end_session(self) -> None:
        """Close the socket: its credential was revoked or has expired."""
        closing = self.websocket.close(code=4403, reason="Forbidden")
        self._closing = asyncio.create_task(closing, name="session-end")

    async def handle_subscribe(self, message: Any) -> None:
        # before Strawberry's own checks, whose error has no code, and which require a query
        error = self._refusal(message["payload"]) if self.connection_acknowledged else None
        if error is not None:
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
            return
        await super().handle_subscribe(message)

    def _refusal(self, payload: dict[str, Any]) -> ApiError | None:
        """Return the error of an operation that cannot start; set the query of one that names it by a hash."""
        try:
            self.view.services.limiter.admit_requests(self._viewer)
            if len(self.operations) >= MAX_SUBSCRIPTIONS:
                message = f"Too many open operations on the connection; at most {MAX_SUBSCRIPTIONS} are allowed."
                raise over_limit(message, MAX_SUBSCRIPTIONS)
            if not payload.get("query") and is_persisted(payload.get("extensions")):
                payload["query"] = self.view.services.document_policy.text_of(payload["extensions"])
        except ApiError as error:
            return error
        return None

    async def run_operation(self, operation: Operation[Requester, None]) -> None:
        """Run one operation to its end, in its own or in a shared execution."""
        request = SubscribeRequest(operation.query, operation.variables, operation.operation_name)
        try:
            end = await self._results(operation, request)
            await self._finish(operation, end)
        except WebSocketDisconnected:
            return
        except Exception as error:
            log.exception("websocket_operation_failed", error=str(error))
            with suppress(WebSocketDisconnected):
                failed = ApiError(Code.INTERNAL, "The operation failed; send it again.")
                await self._finish(operation, Ended([failed.formatted]))

    async def _results(self, operation: Operation[Requester, None], request: SubscribeRequest) -> Ended:
        """Send the results of an operation and return its end. It counts as a subscription until then."""
        try:
            with self.view.services.limiter.subscription(self._viewer):
                async with self._preparing:
                    shared = await self.view.fanout.shareable(request)
                    results = None if shared else await self._prepare(operation)
                return await (self._share(operation, request) if results is None else self._execute(operation, results))
        except ApiError as error:
            return Ended([error.formatted])

    async def _share(self, operation: Operation[Requester, None], request: SubscribeRequest) -> Ended:
        prefix = _prefix(operation.id)
        with self.view.fanout.join(request, self._viewer) as member:
            while True:
                payload = await member.take()
                if isinstance(payload, Ended):
                    return payload
                await self.websocket.send_text(f"{prefix}{payload}}}")

    async def _prepare(self, operation: Operation[Requester, None]) -> Any:
        """Return the results of an operation, which is executed when the first result is awaited."""
        return await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=self.context,
            operation_name=operation.operation_name,
        )

    async def _execute(self, operation: Operation[Requester, None], results: Any) -> Ended:
        prefix = _prefix(operation.id)
        async with aclosing(results):
            async for result in results:
                payload = payload_of(result)
                if isinstance(payload, Ended):
                    return payload
                await self.websocket.send_text(f"{prefix}{payload}}}")
        return Ended()

    async def _finish(self, operation: Operation[Requester, None], end: Ended) -> None:
        if end.errors is None:
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        else:
            errors: Any = end.errors
            await operation.send_operation_message({"id": operation.id, "type": "error", "payload": errors})


def _prefix(id_: str) -> str:
    """Return a ``next`` message up to its payload: the id differs between subscribers, the payload is shared."""
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
    if not isinstance(payload, dict):
        return False
    query = payload.get("query")
    return (
        (isinstance(query, str) or (not query and is_persisted(payload.get("extensions"))))
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )


class WebSocketView(GraphQL[Requester, None]):
    """Strawberry's ASGI view with authentication, and shared subscriptions over WebSocket."""

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = TextWebSocket

    def __init__(self, services: SchemaContext) -> None:
        super().__init__(
            schema,
            subscription_protocols=(
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
            ),
            connection_init_wait_timeout=services.connection_init_timeout,
            max_subscriptions_per_connection=None,  # TransportHandler enforces it, with an error code
            allowed_origins=services.allowed_origins,
        )
        self.services = services
        self.fanout = Fanout(schema, services)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Requester:  # noqa: ARG002
        return Requester(self.services, None, token=bearer_token(request.headers.get("authorization")))

    async def on_ws_connect(self, context: Requester) -> Any:
        """Authenticate by the token of ``connection_init``, otherwise by that of the handshake.

        Raises:
            ConnectionRejectionError: unknown token, close code 4403.
            TokenMissing: missing token, close code 4401.
            AuthenticationUnavailable: it cannot be decided now, close code 1013.
        """
        token = _token_of(context.connection_params or {})
        context.viewer = await self.services.authenticator.authenticate(token or context.token)
        if context.viewer is None:
            raise TokenMissing if token is None else ConnectionRejectionError
        return UNSET


def _token_of(params: dict[str, object]) -> str | None:
    token = params.get("token")
    if isinstance(token, str) and token:
        return token
    header = next((value for name, value in params.items() if name.lower() == "authorization"), None)
    return bearer_token(header) if isinstance(header, str) else None
