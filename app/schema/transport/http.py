"""Routes for GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/): POST, GET, SSE and WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from cross_web import HTTPException, StarletteRequestAdapter
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLRequestData, GraphQLRequestProtocol
from strawberry.http.parse_content_type import parse_content_type
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
)
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.operation import get_operation_type

from app.authentication import AuthenticationUnavailable
from app.schema.api.context import SchemaContext
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.execution.context import Requester
from app.schema.execution.documents import Prepared, RequestDocuments
from app.schema.execution.errors import is_persisted, request_error
from app.schema.execution.schema import schema
from app.schema.limits import MAX_BATCH, body_limit
from app.schema.transport.content_negotiation import (
    EVENT_STREAM,
    MULTIPART,
    PLAIN_JSON,
    RESPONSE_JSON,
    Formats,
)
from app.schema.transport.event_stream import EventStream
from app.schema.transport.graphiql import graphiql_page, graphiql_policy
from app.schema.transport.http_request import Refused, check_fields, formats_of, limited, refusal
from app.schema.transport.request_body import Body, ClientWatch
from app.schema.transport.sessions import until_session_end
from app.schema.transport.websocket import WebSocketView
from app.security import bearer_token
from app.tracing import server_span

_ALLOWED: Final = {"GET": {OperationType.QUERY}, "POST": {OperationType.QUERY, OperationType.MUTATION}}
"""Operation types with a single response, by method. Subscriptions are allowed with both methods, as a stream."""
_PROTOCOLS: Final[Mapping[str, GraphQLRequestProtocol]] = {EVENT_STREAM: "sse", MULTIPART: "multipart-subscription"}
_ACCEPTABLE: Final = f"{PLAIN_JSON}, {RESPONSE_JSON} or {EVENT_STREAM}"


def graphql_routes(context: SchemaContext, path: str = "/graphql") -> list[BaseRoute]:
    """Return the routes that serve the schema, including WebSocket.

    GraphiQL expects the folder ``app.schema.transport.graphiql.FILES`` at ``app.schema.transport.graphiql.ADDRESS``.
    """
    view = GraphQLView(context)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=context.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
    )
    middleware = [cors] if context.allowed_origins else []
    return [Route(path, view, middleware=middleware), WebSocketRoute(path, view)]


class RequestAdapter(StarletteRequestAdapter):
    """Strawberry's request adapter with the request's ``state``, and with the media type in lower case."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.state = request.state

    @property
    def content_type(self) -> str | None:
        given = super().content_type
        return given.lower() if given else None


class GraphQLView(WebSocketView):
    """The view of all transports: HTTP as its specification requires it, with limits, and WebSocket."""

    request_adapter_class = RequestAdapter
    stream_transport_classes_by_protocol = {  # noqa: RUF012 - Strawberry's attribute
        **GraphQL.stream_transport_classes_by_protocol,
        GRAPHQL_SSE_PROTOCOL: EventStream,
    }

    def __init__(self, services: SchemaContext) -> None:
        super().__init__(services)
        self._page = graphiql_page()
        self._page_headers = {"Content-Security-Policy": graphiql_policy(self._page)}
        self._max_body = body_limit(services.defaults.max_opaque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        body = Body(receive, self._max_body, empty=scope["method"] == "GET")
        request = Request(scope, body)
        documents = RequestDocuments(self.services.document_policy)
        watch = ClientWatch(documents.budget, body, lambda: body.complete)
        try:
            request.state.formats = formats_of(request)
            request.state.requester = await self._requester(request, documents)
            with server_span(f"{scope['method']} {scope['path']}", request.headers) as http:
                response = await self.run(request, context=request.state.requester)
                http.set(_described(scope, response))
        except HTTPException as error:
            response = refusal(request, error)
        finally:
            watch.stop()
        await response(scope, receive, send)

    # --- request

    async def _requester(self, request: Request, documents: RequestDocuments) -> Requester:
        """Return the requester that a token in the header identifies.

        Raises:
            Refused: 503: it cannot be decided now whether the token is valid.
        """
        token = bearer_token(request.headers.get("authorization"))
        try:
            viewer = await self.services.authenticator.authenticate(token)
        except AuthenticationUnavailable:
            error = ApiError(Code.UNAVAILABLE, "The credential cannot be checked now; retry later.")
            raise Refused(503, error, Retry_After="5") from None
        return Requester(self.services, viewer, documents=documents)

    async def render_graphql_ide(self, request: Any) -> Response:  # noqa: ARG002
        return HTMLResponse(self._page, headers=self._page_headers)

    def should_render_graphql_ide(self, request: Any) -> bool:
        is_request = not request.query_params.keys().isdisjoint({"query", "extensions"})
        return request.method == "GET" and not is_request and request.state.formats.page

    async def parse_http_body(self, request: Any) -> Any:
        viewer, limiter = request.state.requester.viewer, self.services.limiter
        if viewer is None:
            error = ApiError(Code.UNAUTHENTICATED, "Missing or unknown token; Authorization: Bearer TOKEN is expected.")
            raise Refused(401, error, WWW_Authenticate="Bearer")
        with limited():
            limiter.admit_requests(viewer)  # before the body is read
        content_type, _ = parse_content_type(request.content_type or "")
        if request.method == "POST" and content_type != PLAIN_JSON:
            # a cross-origin page cannot send JSON without a preflight request
            raise Refused(415, bad_input("Unsupported Content-Type; application/json is expected.", None))
        data = await super().parse_http_body(request)
        if isinstance(data, list):
            with limited():
                limiter.admit_requests(viewer, len(data) - 1)
            for index, one in enumerate(data):
                check_fields(one, index)
        else:
            check_fields(data)
        return data

    def _get_stream_transport_from_headers(self, headers: Mapping[str, str]) -> None:
        """Return None: the transport also depends on the operation (:meth:`execute_operation`)."""

    def parse_json(self, data: str | bytes) -> Any:
        # Strawberry would raise an AttributeError for a string or for [1]
        parsed = super().parse_json(data)
        items = parsed if isinstance(parsed, list) else [parsed]
        if not items or not all(isinstance(item, dict) for item in items):
            raise HTTPException(400, "Invalid request body; a JSON object or a list of objects is expected.")
        if len(items) > MAX_BATCH:
            raise Refused(
                400, over_limit(f"Too many operations in the batch; at most {MAX_BATCH} are allowed.", MAX_BATCH)
            )
        return parsed

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    # --- execution, only if the client accepts the format of the result

    async def execute_operation(  # noqa: PLR0917 - Strawberry's signature
        self,
        request: Any,
        request_adapter: Any,
        request_data: Any,
        context: Requester,
        root_value: None,  # noqa: ARG002
        sub_response: Any,  # noqa: ARG002
    ) -> Any:
        formats, method = request.state.formats, request_adapter.method
        if isinstance(request_data, list):
            if formats.json is None:
                message = f"Unacceptable Accept header for a batch; {PLAIN_JSON} or {RESPONSE_JSON} is expected."
                raise Refused(406, bad_input(message, None))
            # prepare in order before any is executed: otherwise one that is prepared in a thread would start last
            for one in request_data:
                with suppress(ApiError):  # its execution reports the error
                    self._complete(one)
                    await _prepare(one, context)
            return await asyncio.gather(*(self._execute_member(one, context) for one in request_data))
        try:
            self._complete(request_data)
        except ApiError as error:
            # 200 for the old media type: Apollo's link reads the body with this status only
            status = 200 if formats.json == PLAIN_JSON else 400
            raise Refused(status, error, Cache_Control="no-store") from error
        try:
            if formats.single is None or formats.single == EVENT_STREAM:
                return await self._stream(request_data, context, formats, method)
            return await _execute(request_data, context, method)
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                return await self._stream(request_data, context, formats, method)
            raise Refused(405, request_error(error, method), Allow="POST") from error
        except (CannotGetOperationTypeError, MissingQueryError) as error:
            raise Refused(400, request_error(error, method)) from error

    def _complete(self, request_data: GraphQLRequestData) -> None:
        """Set the query of a request that names it by a hash. Raises as :meth:`DocumentPolicy.text_of` does."""
        if not request_data.query and is_persisted(request_data.extensions):
            request_data.query = self.services.document_policy.text_of(request_data.extensions or {})

    async def _execute_member(self, request_data: GraphQLRequestData, context: Requester) -> Any:
        """Execute one operation of a batch. Its errors do not affect the others, which may already be executed."""
        try:
            self._complete(request_data)
            return await _execute(request_data, context, "POST")
        except ApiError as error:
            return PreExecutionError(data=None, errors=[error])
        except (InvalidOperationTypeError, CannotGetOperationTypeError, MissingQueryError) as error:
            return PreExecutionError(data=None, errors=[request_error(error)])

    async def _stream(self, request_data: GraphQLRequestData, context: Requester, formats: Formats, method: str) -> Any:
        """Start a stream of a subscription's events, or of the one result of another operation.

        Raises:
            Refused: 406: the client does not accept the stream. 429: it has too many.
            InvalidOperationTypeError: a mutation by GET.
        """
        operation_type = await _operation_type(request_data, context)
        media_type = formats.stream if operation_type is OperationType.SUBSCRIPTION else formats.single
        if media_type is None:
            raise _not_acceptable(operation_type)
        allowed = _ALLOWED[method] | {OperationType.SUBSCRIPTION}
        if operation_type is not None and operation_type not in allowed:
            raise InvalidOperationTypeError(operation_type)
        subscriber = context.viewer if operation_type is OperationType.SUBSCRIPTION else None
        if subscriber is not None:
            with limited():  # otherwise an event of the stream would report it
                self.services.limiter.check_subscription(subscriber)
        request_data.protocol = _PROTOCOLS[media_type]
        results = await schema.stream(
            request_data.query,
            variable_values=request_data.variables,
            context_value=context,
            operation_name=request_data.operation_name,
            allowed_operation_types=allowed,
        )
        return results if subscriber is None else until_session_end(results, self.services, subscriber)

    # --- response

    async def get_sub_response(self, request: Any) -> Response:
        sub_response = await super().get_sub_response(request)
        sub_response.media_type = request.state.formats.json or PLAIN_JSON
        return sub_response

    async def process_result(self, request: Any, result: Any) -> Any:
        response = await super().process_result(request, result)
        if isinstance(result, PreExecutionError) or _is_request_error(result):
            response.pop("data", None)  # nothing was executed
        return response

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        response = super().create_response(response_data, sub_response)
        response.headers["content-type"] = f"{sub_response.media_type}; charset=utf-8"
        refused = isinstance(response_data, dict) and "data" not in response_data
        if refused and sub_response.media_type == RESPONSE_JSON:
            response.status_code = 400
        return response

    def encode_json(self, data: object) -> str:
        # text, because bytes would be sent as binary WebSocket frames, which clients reject
        return orjson.dumps(data).decode()


async def _execute(request_data: GraphQLRequestData, context: Requester, method: str) -> Any:
    return await schema.execute(
        request_data.query,
        variable_values=request_data.variables,
        context_value=context,
        operation_name=request_data.operation_name,
        allowed_operation_types=_ALLOWED[method],
    )


async def _prepare(request_data: GraphQLRequestData, context: Requester) -> Prepared | None:
    """Return the prepared document; None without one. Raises as :meth:`RequestDocuments.prepared` does."""
    if not request_data.query:
        return None
    assert context.documents is not None  # noqa: S101 - every HTTP request has them
    return await context.documents.prepared(schema.graphql_schema, request_data.query)


async def _operation_type(request_data: GraphQLRequestData, context: Requester) -> OperationType | None:
    """Return the type of the operation; None if the document is invalid or has no such operation, which the execution
    reports."""
    if (ready := await _prepare(request_data, context)) is None:
        raise MissingQueryError
    try:
        return get_operation_type(ready.document, request_data.operation_name) if ready.document else None
    except RuntimeError:
        return None


def _not_acceptable(operation_type: OperationType | None) -> Refused:
    if operation_type is OperationType.SUBSCRIPTION:
        return Refused(406, request_error(InvalidOperationTypeError(operation_type)))
    return Refused(406, bad_input(f"Unacceptable Accept header; {_ACCEPTABLE} is expected.", None))


def _described(scope: Scope, response: Response) -> dict[str, str | int]:
    """Return the attributes of a request's span by the semantic conventions of HTTP servers."""
    return {
        "http.request.method": scope["method"],
        "url.scheme": scope["scheme"],
        "url.path": scope["path"],
        "http.route": scope["path"],
        "http.response.status_code": response.status_code,
    }


def _is_request_error(result: Any) -> bool:
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors)
