"""Download of firmware packages by devices. They cannot authenticate: they know the package's key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from app.fleet.package_store import KEY, ContentMissing, PackageStore, StorageFailed
from app.models.queries import PackageView, ReadUnavailable, firmware_package_by_id
from app.schema.api.context import SchemaContext
from app.schema.api.fields import check_role
from app.schema.api.ids import NoSuchId, parse_package_id
from app.schema.errors import ApiError, Code
from app.schema.transport.byte_ranges import asked_range, is_unchanged
from app.schema.transport.plain_http import authenticated, error_response
from app.security import Role, same_secret

MAX_DOWNLOADS: Final = 128
"""Maximum number of downloads that a process serves at the same time: each holds up to half a MiB."""
MAX_LOOKUPS: Final = 2
"""Maximum number of packages that are looked up at the same time for callers that are not authenticated."""

log = structlog.get_logger(__name__)


def download_route(context: SchemaContext) -> BaseRoute:
    """Return the route of downloads."""
    return Route("/firmware/{id}", _Downloads(context).download, methods=["GET"])


class _Downloads:
    def __init__(self, context: SchemaContext) -> None:
        self._context = context
        self._running = 0
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)

    async def download(self, request: Request) -> Response:
        try:
            package, store = await self._found(request), self._context.firmware.store
            assert package.size is not None  # noqa: S101 - of an uploaded package it is known
            if store is None:
                raise _unknown()
            headers = {
                "etag": f'"{package.sha256}"',
                "accept-ranges": "bytes",
                "cache-control": "private, no-transform",
            }
            if is_unchanged(request.headers, headers["etag"]):
                return Response(None, 304, headers)
            headers |= {"content-type": "application/octet-stream", "content-disposition": "attachment"}
            given = asked_range(request.headers, headers["etag"], package.size) if request.method == "GET" else None
            if given is not None and given.start >= given.stop:
                return Response(None, 416, {**headers, "content-range": f"bytes */{package.size}"})
            wanted = given or range(package.size)
            headers["content-length"] = str(len(wanted))
            if given is not None:
                headers["content-range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{package.size}"
            if request.method == "HEAD":
                return Response(None, 200, headers)
            chunks = await self._opened(store, package, wanted)
        except GraphQLError as error:
            return error_response(error)
        return StreamingResponse(chunks, 200 if given is None else 206, headers)

    async def _found(self, request: Request) -> PackageView:
        """Return the package of a request.

        Raises:
            ApiError: NOT_FOUND, also if the caller may not know whether there is one; UNAVAILABLE.
        """
        id_, key = _number(request.path_params["id"]), request.query_params.get("key", "")
        token = request.headers.get("authorization")
        try:
            if KEY.fullmatch(key):
                async with self._lookups:
                    package = await firmware_package_by_id(id_)
                if package is not None and package.uri is None and same_secret(package.key, key):
                    return package
            if token is None and not self._context.authenticator.is_open:
                raise _unknown()
            check_role(await authenticated(self._context, request), Role.VIEWER)
            package = await firmware_package_by_id(id_)
        except ReadUnavailable:
            raise ApiError(Code.UNAVAILABLE, "The database cannot be reached; retry later.") from None
        if package is None or package.uri is not None:
            raise _unknown()
        return package

    async def _opened(self, store: PackageStore, package: PackageView, wanted: range) -> AsyncGenerator[bytes, None]:
        """Return the chunks of a content, of which the first one has been read."""
        if self._running >= MAX_DOWNLOADS:
            raise ApiError(Code.UNAVAILABLE, f"{MAX_DOWNLOADS} downloads are running; retry later.")
        chunks = self._counted(store.read(package.key, wanted.start, wanted.stop))
        try:
            await anext(chunks)
        except ContentMissing:
            log.warning("package_content_missing", package=package.id)
            raise _unknown() from None
        except StorageFailed as error:
            log.warning("package_not_read", package=package.id, error=str(error))
            raise ApiError(Code.UNAVAILABLE, "The store of the packages failed; retry later.") from None
        return chunks

    async def _counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Yield nothing once the first chunk has been read, then all chunks."""
        self._running += 1
        try:
            first = await anext(chunks)
            yield b""
            yield first
            async for chunk in chunks:
                yield chunk
        finally:
            self._running -= 1
            await chunks.aclose()


def _number(text: str) -> int:
    """Return the number of a package: ``text`` is the number, or the package's global id."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    try:
        return parse_package_id(text)
    except NoSuchId:
        raise _unknown() from None


def _unknown() -> ApiError:
    return ApiError(Code.NOT_FOUND, "Unknown firmware package.")
