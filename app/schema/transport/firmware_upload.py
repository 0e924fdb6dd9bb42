"""Upload of firmware packages: streamed to the store while the SHA-256 is computed. An upload that is refused or broken
off leaves nothing behind."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.fleet.package_store import PackageStore, StorageFailed, new_key
from app.fleet.packages import CreateFirmwarePackage, uploaded_uri
from app.models.ledger import ANSWER_SECONDS, LedgerError, LedgerUnavailable
from app.schema.api.auditing import audit_entry
from app.schema.api.context import SchemaContext
from app.schema.api.fields import check_role
from app.schema.api.firmware_packages import package_digest, package_text
from app.schema.api.ids import package_id
from app.schema.api.ledger_gateway import refusal
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.transport.plain_http import HttpError, authenticated, error_response, query_parameters
from app.security import Role, Viewer

MAX_UPLOADS: Final = 2
"""Maximum number of uploads that a process receives at the same time."""
UPLOAD_SECONDS: Final = 3_600
PIECE: Final = 256 * 1024
"""Bytes that are passed to the store at once."""
MEDIA_TYPE: Final = "application/octet-stream"
_FORM: Final = "multipart/form-data"

_PARAMETERS: Final = frozenset({"name", "version", "sha256"})
_DIGEST: Final = re.compile(r"\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*")

log = structlog.get_logger(__name__)


def upload_route(context: SchemaContext, permit_long_body: Callable[[Request], None]) -> BaseRoute:
    """Return the route of uploads.

    Args:
        permit_long_body: called with a request whose body may take longer than that of others.
    """
    return Route("/firmware", _Uploads(context, permit_long_body).upload, methods=["POST"])


@dataclass(slots=True)
class _Upload:
    """An upload that was checked as far as possible without its body.

    Attributes:
        expected: the SHA-256 values that the client gave.
    """

    name: str
    version: str
    expected: frozenset[str]
    size: int = 0
    sha256: str = ""


class _Uploads:
    def __init__(self, context: SchemaContext, permit_long_body: Callable[[Request], None]) -> None:
        self._context, self._permit_long_body = context, permit_long_body
        self._running = 0

    async def upload(self, request: Request) -> Response:
        try:
            viewer = await authenticated(self._context, request)
            check_role(viewer, Role.OPERATOR)
            store, upload = self._store(), _checked(request, self._context.firmware.max_size)
            if self._running >= MAX_UPLOADS:
                raise over_limit(f"{MAX_UPLOADS} uploads are running; retry later.", MAX_UPLOADS)
            self._running += 1
            try:
                self._permit_long_body(request)
                package = await self._received(request, viewer, store, upload)
            finally:
                self._running -= 1
        except GraphQLError as error:
            return error_response(error)
        return Response(orjson.dumps(package), 201, {"cache-control": "no-store"}, "application/json; charset=utf-8")

    def _store(self) -> PackageStore:
        if self._context.firmware.store is None:
            message = "Uploads need a store; set REVEILLE_FIRMWARE_STORE to a directory or to s3://BUCKET/PREFIX."
            raise HttpError(503, Code.UNAVAILABLE, message)
        return self._context.firmware.store

    async def _received(
        self, request: Request, viewer: Viewer, store: PackageStore, upload: _Upload
    ) -> dict[str, str | int | None]:
        """Store the content and the package, and return its facts."""
        key, firmware = new_key(), self._context.firmware
        try:
            await store.write(key, _content(request, upload, firmware.max_size))
        except StorageFailed as error:
            log.warning("package_not_stored", error=str(error))
            raise ApiError(Code.UNAVAILABLE, "The store of REVEILLE_FIRMWARE_STORE failed; retry later.") from None
        command = CreateFirmwarePackage(upload.name, upload.version, None, upload.size, upload.sha256, key, viewer.name)
        facts: dict[str, str | int] = {
            "name": upload.name,
            "version": upload.version,
            "size": upload.size,
            "sha256": upload.sha256,
        }
        command.audit = audit_entry(viewer.name, "createFirmwarePackage", upload.name, facts)
        try:
            id_ = await self._context.ledger.submit(command, within=ANSWER_SECONDS)
        except LedgerError as error:
            await firmware.discard(key)
            raise refusal(error) from None
        except LedgerUnavailable:  # it may have been committed; otherwise the content is deleted as an orphan
            message = "The database cannot be reached; the package may have been created: see `firmwarePackages`."
            raise ApiError(Code.UNAVAILABLE, message) from None
        return {"id": package_id(id_), **facts, "uri": uploaded_uri(id_, key, firmware.url)}


def _checked(request: Request, max_size: int) -> _Upload:
    """Return the upload of a request whose body is not read yet."""
    given = query_parameters(request, _PARAMETERS)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # a browser names the Origin of every POST, and sends this type for a page of another site only if that is allowed
    if media_type != MEDIA_TYPE and ("origin" in request.headers or media_type == _FORM):
        raise HttpError(415, Code.BAD_USER_INPUT, f"Invalid Content-Type; {MEDIA_TYPE} is expected.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, Code.BAD_USER_INPUT, "Invalid Content-Encoding; the package itself is expected.")
    if int(request.headers.get("content-length", "0")) > max_size:
        raise _too_large(max_size)
    expected = {package_digest(given["sha256"], "sha256")} if "sha256" in given else set()
    for digest in request.headers.get("content-digest", "").split(","):
        if match := _DIGEST.fullmatch(digest):
            expected.add(base64.b64decode(match[1]).hex())
    return _Upload(
        package_text(given.get("name", ""), "name"),
        package_text(given.get("version", ""), "version"),
        frozenset(expected),
    )


async def _content(request: Request, upload: _Upload, max_size: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces, and set the size and the digest of the upload. An error ends the upload."""
    digest, deadline, piece = hashlib.sha256(), time.monotonic() + UPLOAD_SECONDS, bytearray()
    async for chunk in request.stream():
        upload.size += len(chunk)
        if upload.size > max_size:
            raise _too_large(max_size)
        if time.monotonic() > deadline:
            raise HttpError(408, Code.BAD_USER_INPUT, f"An upload must be complete within {UPLOAD_SECONDS} seconds.")
        digest.update(chunk)
        piece += chunk
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    upload.sha256 = digest.hexdigest()
    if not upload.size:
        raise bad_input("Empty body; the package is expected.", None)
    if not upload.expected <= {upload.sha256}:
        raise bad_input(f"The SHA-256 of the body is {upload.sha256}, and differs from the given one.", "sha256")
    if piece:
        yield bytes(piece)


def _too_large(max_size: int) -> HttpError:
    message = f"Package too large; at most {max_size} bytes are allowed (REVEILLE_FIRMWARE_MAX_SIZE)."
    return HttpError(413, Code.LIMIT_EXCEEDED, message, limit=max_size)
