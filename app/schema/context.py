"""Contexts of the schema: the process's components, the requester, and the state of one document's execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import strawberry
from graphql import ExecutionResult

from app.models.ledger import Ledger
from app.models.live import LiveLog
from app.schema.budget import RequestBudget
from app.schema.errors import ApiError, Code
from app.schema.input_checks import Defaults
from app.schema.limits import Measure
from app.security import Role, Viewer

if TYPE_CHECKING:
    from app.schema.documents import Prepared
    from app.schema.reads import Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaContext:
    """Components of the process that the schema needs; created once, by ``app/process.py``.

    Attributes:
        authenticate: returns the viewer of a bearer token, or of None without one; None if access is denied.
        defaults: defaults from the settings for omitted input fields.
        allowed_origins: origins of web pages that may access the API, over HTTP (CORS) and WebSocket.
        connection_init_timeout: maximum wait for ``connection_init`` on a WebSocket.
    """

    ledger: Ledger
    live: LiveLog
    authenticate: Callable[[str | None], Viewer | None]
    defaults: Defaults = field(default_factory=Defaults)
    allowed_origins: tuple[str, ...] = ()
    connection_init_timeout: timedelta = timedelta(seconds=10)


@dataclass(slots=True)
class Requester:
    """Requester of an HTTP request or of a WebSocket connection, which may be known only after ``connection_init``.

    Attributes:
        viewer: None if the requester is not authenticated.
        budget: budget of an HTTP request; None for a WebSocket, whose operations have one each.
    """

    services: SchemaContext
    viewer: Viewer | None
    connection_params: dict[str, object] | None = None
    budget: RequestBudget | None = None


_UNMEASURED: Final = Measure()


@dataclass(slots=True)
class RequestContext:
    """State of the execution of one document.

    Attributes:
        operation_name: ``operationName`` of the request.
        budget: budget of the request, shared by the operations of a batch.
        prepared: the document.
        measure: measure of the operation; set when it is admitted.
        forbidden: result of a mutation whose root fields are all forbidden, which is not executed.
        cursor: position of the log or the error of reading it; set before all other reads if the document selects it.
        last_seq: ``seq`` of the last event of a subscription.
    """

    services: SchemaContext
    viewer: Viewer
    operation_name: str | None
    reads: Reads
    budget: RequestBudget
    prepared: Prepared | None = None
    measure: Measure = _UNMEASURED
    forbidden: ExecutionResult | None = None
    cursor: int | Exception | None = None
    last_seq: int = 0

    def require(self, role: Role) -> None:
        """Check that the viewer has a role.

        Raises:
            ApiError: FORBIDDEN: the viewer does not have it.
        """
        if not self.viewer.may(role):
            message = f"{self.viewer.name} has the role {self.viewer.role}; the role {role} is required."
            raise ApiError(Code.FORBIDDEN, message)

    def operator(self) -> Viewer:
        """Return the viewer, who must be an operator. Raises as :meth:`require` does."""
        self.require(Role.OPERATOR)
        return self.viewer


class Info(strawberry.Info[RequestContext, Any]):
    """Strawberry's ``Info`` with :class:`RequestContext` as its context."""
