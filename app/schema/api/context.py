"""Context of the resolvers: the components of the process, the viewer, and the reads of one document."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import strawberry

from app.authentication import Authenticator
from app.fleet.package_store import FirmwareStorage
from app.models.ledger import AuditEntry, Ledger
from app.models.live import LiveLog
from app.models.object_models import ObjectModelCache
from app.schema.api.input_validation import Defaults
from app.schema.api.reads import Reads
from app.schema.caller_limits import CallerLimiter
from app.schema.trusted_documents import DocumentPolicy
from app.security import Viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaContext:
    """Components of the process that the schema needs; created once, by ``app/process.py``.

    Attributes:
        authenticator: finds the viewer of a credential, and watches sessions.
        defaults: defaults from the settings for omitted input fields.
        document_policy: which documents are executed, and which may be named by a hash.
        limiter: limits of each caller.
        firmware: where uploaded firmware packages are stored, and the address from which devices download them.
        uses_stream: whether a bridge is expected to read the Leshan server's event stream.
        allowed_origins: origins of web pages that may access the API, over HTTP (CORS) and WebSocket.
        connection_init_timeout: maximum wait for ``connection_init`` on a WebSocket.
    """

    ledger: Ledger
    live: LiveLog
    object_models: ObjectModelCache
    authenticator: Authenticator
    defaults: Defaults = field(default_factory=Defaults)
    document_policy: DocumentPolicy = field(default_factory=DocumentPolicy)
    limiter: CallerLimiter = field(default_factory=CallerLimiter)
    firmware: FirmwareStorage = field(default_factory=FirmwareStorage)
    uses_stream: bool = True
    allowed_origins: tuple[str, ...] = ()
    connection_init_timeout: timedelta = timedelta(seconds=10)


@dataclass(slots=True)
class RequestContext:
    """Context of the resolvers of one document.

    Attributes:
        cursor: position of the log or the error of reading it; set before all other reads if the document selects it.
        last_seq: ``seq`` of the last event of a subscription.
        audit: entry of the mutation that is being executed, until it is written.
    """

    services: SchemaContext
    viewer: Viewer
    reads: Reads
    cursor: int | Exception | None = None
    last_seq: int = 0
    audit: AuditEntry | None = None


class Info(strawberry.Info[RequestContext, Any]):
    """Strawberry's ``Info`` with :class:`RequestContext` as its context."""
