"""Contexts of requests: the requester, and the state of one document's execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graphql import ExecutionResult

from app.schema.api.context import RequestContext, SchemaContext
from app.schema.api.reads import Reads
from app.schema.execution.documents import Prepared, RequestDocuments
from app.schema.execution.measure import Measure
from app.security import Viewer

_UNMEASURED: Final = Measure()


@dataclass(slots=True)
class Requester:
    """Requester of an HTTP request or of a WebSocket connection, which may be known only after ``connection_init``.

    Attributes:
        viewer: None if the requester is not authenticated.
        token: token of the handshake of a WebSocket.
        documents: documents of an HTTP request; None for a WebSocket, whose operations have their own.
    """

    services: SchemaContext
    viewer: Viewer | None
    connection_params: dict[str, object] | None = None
    documents: RequestDocuments | None = None
    token: str | None = None


@dataclass(slots=True, kw_only=True)
class ExecutionContext(RequestContext):
    """State of the execution of one document.

    Attributes:
        operation_name: ``operationName`` of the request.
        documents: documents of the request, with the budget that the operations of a batch share.
        prepared: the document.
        measure: measure of the operation; set when it is admitted.
        forbidden: result of a mutation whose root fields are all forbidden, which is not executed.
    """

    operation_name: str | None
    documents: RequestDocuments
    prepared: Prepared | None = None
    measure: Measure = _UNMEASURED
    forbidden: ExecutionResult | None = None

    @classmethod
    def create(
        cls,
        services: SchemaContext,
        viewer: Viewer,
        operation_name: str | None,
        documents: RequestDocuments | None = None,
    ) -> ExecutionContext:
        """Return the context for the execution of one document."""
        documents = documents or RequestDocuments(services.document_policy)
        reads = Reads(documents.budget, services.ledger.rules)
        return cls(
            services,
            viewer,
            reads,
            operation_name=operation_name,
            documents=documents,
        )
