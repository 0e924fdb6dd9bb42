"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), as routes: POST, GET, SSE and WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from cross_web import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError, MissingQueryError
from strawberry.http.parse_content_type import parse_content_type
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UNSET

from app.schema.context import Asker, SchemaContext
from app.schema.errors import ApiError, Code, bad_input, over_limit, request_error
from app.schema.fanout import Fanout
from app.schema.graphiql import graphiql_page, graphiql_policy
from app.schema.limits import MAX_BATCH, MAX_BODY
from app.schema.schema import schema
from app.schema.ws import TextWebSocket, TokenMissing, TransportHandler
from app.security import bearer_token

RESPONSE_JSON: Final = "application/graphql-response+json"
PLAIN_JSON: Final = "application/json"
_ALLOWED: Final = {"GET": {OperationType.QUERY}, "POST": {OperationType.QUERY, OperationType.MUTATION}}


class Refused(HTTPException):
    """A request that is not executed, with the error that its answer tells."""

    def __init__(self, status: int, error: ApiError, **headers: str) -> None:
        super().__init__(status, error.message)
        self.error = error
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def graphql_routes(context: SchemaContext, path: str = "/graphql") -> list[BaseRoute]:
    """The routes that serve the schema, WebSocket included.

    GraphiQL expects the folder ``app.schema.graphiql.FILES`` at ``app.schema.graphiql.ADDRESS``.
    """
    view = GraphQLView(context)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=context.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )
    middleware = [cors] if context.allowed_origins else []
    return [Route(path, view, middleware=middleware), WebSocketRoute(path, view)]


class GraphQLView(GraphQL[Asker, None]):
    """Strawberry's ASGI view with what the specification and our limits ask for."""

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = TextWebSocket

    def __init__(self, house: SchemaContext) -> None:
        super().__init__(
            schema,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=house.connection_init_timeout,
            max_subscriptions_per_connection=None,  # TransportHandler counts, and says so with a code
            allowed_origins=house.allowed_origins,
        )
        self.house = house
        self.fanout = Fanout(schema, house)
        self._page = graphiql_page()
        self._page_headers = {"Content-Security-Policy": graphiql_policy(self._page)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, _bounded(receive))
        try:
            response = await self.run(request)
        except HTTPException as error:
            response = _refusal(request, error)
        await response(scope, receive, send)

    # --- who asks

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Asker:  # noqa: ARG002
        token = bearer_token(request.headers.get("authorization"))
        return Asker(self.house, self.house.authenticate(token))

    async def on_ws_connect(self, context: Asker) -> Any:
        """Take the token of ``connection_init``, else that of the handshake.

        Raises:
            ConnectionRejectionError: a token that nobody has: 4403.
            TokenMissing: none, and one is needed: 4401.
        """
        token = _token_of(context.connection_params or {})
        if token is not None:
            context.viewer = self.house.authenticate(token)
            if context.viewer is None:
                raise ConnectionRejectionError
        if context.viewer is None:
            raise TokenMissing
        return UNSET

    # --- what is asked

    async def render_graphql_ide(self, request: Any) -> Response:  # noqa: ARG002
        return HTMLResponse(self._page, headers=self._page_headers)

    def should_render_graphql_ide(self, request: Any) -> bool:
        asks = "query" in request.query_params
        return request.method == "GET" and not asks and "text/html" in request.headers.get("accept", "")

    async def parse_http_body(self, request: Any) -> Any:
        if self.house.authenticate(bearer_token(request.headers.get("authorization"))) is None:
            error = ApiError(Code.UNAUTHENTICATED, "a valid token is needed: Authorization: Bearer ..")
            raise Refused(401, error, WWW_Authenticate="Bearer")
        content_type, _ = parse_content_type(request.content_type or "")
        if request.method == "POST" and content_type != PLAIN_JSON:
            # what a foreign page can send without asking first is never JSON
            raise Refused(415, bad_input("Content-Type: application/json is expected", None))
        return await super().parse_http_body(request)

    def parse_json(self, data: str | bytes) -> Any:
        # Strawberry lets a bare string or [1] through to an AttributeError
        parsed = super().parse_json(data)
        items = parsed if isinstance(parsed, list) else [parsed]
        if not items or not all(isinstance(item, dict) for item in items):
            raise HTTPException(400, "a JSON object is expected, or a list of them")
        if len(items) > MAX_BATCH:
            raise Refused(400, over_limit(f"a batch has at most {MAX_BATCH} operations", MAX_BATCH))
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    async def execute_single(  # noqa: PLR0917 - Strawberry's signature
        self,
        request: Any,  # noqa: ARG002
        request_adapter: Any,
        sub_response: Any,  # noqa: ARG002
        context: Asker,
        root_value: None,  # noqa: ARG002
        request_data: Any,
    ) -> Any:
        method = request_adapter.method
        try:
            return await schema.execute(
                request_data.query,
                variable_values=request_data.variables,
                context_value=context,
                operation_name=request_data.operation_name,
                allowed_operation_types=_ALLOWED[method],
            )
        except InvalidOperationTypeError as error:
            mutates = error.operation_type is OperationType.MUTATION
            headers = {"Allow": "POST"} if mutates else {}
            raise Refused(405 if mutates else 400, request_error(error, method), **headers) from error
        except (CannotGetOperationTypeError, MissingQueryError) as error:
            raise Refused(400, request_error(error, method)) from error

    # --- the answer

    async def get_sub_response(self, request: Any) -> Response:
        sub_response = await super().get_sub_response(request)
        sub_response.media_type = _answer_type(request.headers.get("accept", ""))
        return sub_response

    async def process_result(self, request: Any, result: Any) -> Any:
        told = await super().process_result(request, result)
        if isinstance(result, PreExecutionError) or _is_request_error(result):
            told.pop("data", None)  # nothing was executed
        return told

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        response = super().create_response(response_data, sub_response)
        response.headers["content-type"] = f"{sub_response.media_type}; charset=utf-8"
        refused = isinstance(response_data, dict) and "data" not in response_data
        if refused and sub_response.media_type == RESPONSE_JSON:
            response.status_code = 400
        return response

    def encode_json(self, data: object) -> str:
        # text, not bytes: bytes would go out as binary WebSocket frames, which clients refuse
        return orjson.dumps(data).decode()


def _is_request_error(result: Any) -> bool:
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors)


def _token_of(params: dict[str, object]) -> str | None:
    token = params.get("token")
    if isinstance(token, str) and token:
        return token
    header = next((value for name, value in params.items() if name.lower() == "authorization"), None)
    return bearer_token(header) if isinstance(header, str) else None


def _answer_type(accept: str) -> str:
    """The new media type only where it is asked for, and not less than the old one."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights[kind] = _weight(parameters)
    wanted = weights.get(RESPONSE_JSON, 0.0)
    return RESPONSE_JSON if wanted > 0 and wanted >= weights.get(PLAIN_JSON, 0.0) else PLAIN_JSON


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _refusal(request: Request, error: HTTPException) -> Response:
    refused = error if isinstance(error, Refused) else Refused(error.status_code, bad_input(error.reason, None))
    body = orjson.dumps({"errors": [refused.error.formatted]})
    media_type = _answer_type(request.headers.get("accept", ""))
    return Response(body, refused.status_code, refused.headers, f"{media_type}; charset=utf-8")


def _bounded(receive: Receive) -> Receive:
    """Refuses a body that is too large as soon as it is, told or not."""
    left = MAX_BODY

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise Refused(413, over_limit(f"a body has at most {MAX_BODY} bytes", MAX_BODY))
        return message

    return bounded
