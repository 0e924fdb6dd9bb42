"""What resolvers are handed: the process's parts, who asks, and what belongs to one document alone."""

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
    """What the schema needs of the process; given once, by ``app/main.py``.

    Attributes:
        authenticate: the viewer of a bearer token (None where none was given); None for one who may not ask at all.
        defaults: what the settings say where an input says nothing.
        allowed_origins: of web pages elsewhere that may ask, over HTTP (CORS) and WebSocket.
        connection_init_timeout: how long a WebSocket may stay without ``connection_init``.
    """

    ledger: Ledger
    live: LiveLog
    authenticate: Callable[[str | None], Viewer | None]
    defaults: Defaults = field(default_factory=Defaults)
    allowed_origins: tuple[str, ...] = ()
    connection_init_timeout: timedelta = timedelta(seconds=10)


@dataclass(slots=True)
class Asker:
    """A request or a connection: who asks. Of a WebSocket it is known after ``connection_init``.

    Attributes:
        budget: of an HTTP request; each operation of a WebSocket has its own.
    """

    house: SchemaContext
    viewer: Viewer | None
    connection_params: dict[str, object] | None = None
    budget: RequestBudget | None = None


_UNMEASURED: Final = Measure()


@dataclass(slots=True)
class RequestContext:
    """One document that is being executed.

    Attributes:
        operation_name: as the request has it.
        budget: shared by the operations of a batch.
        prepared: the document.
        measure: what the operation asks for; known once it was admitted.
        forbidden: the result of a mutation whose root fields are all forbidden; it is not executed.
        cursor: the log's position, or why it could not be read; set when the document asks for it, before all else.
        told: of a subscription, the ``seq`` of the last event.
    """

    house: SchemaContext
    viewer: Viewer
    operation_name: str | None
    reads: Reads
    budget: RequestBudget
    prepared: Prepared | None = None
    measure: Measure = _UNMEASURED
    forbidden: ExecutionResult | None = None
    cursor: int | Exception | None = None
    told: int = 0

    def require(self, role: Role) -> None:
        """Raises:
        ApiError: FORBIDDEN: the viewer does not have this role.
        """
        if not self.viewer.may(role):
            message = f"{self.viewer.name} has the role {self.viewer.role}; the role {role} is required."
            raise ApiError(Code.FORBIDDEN, message)

    def operator(self) -> Viewer:
        """The viewer, who must be an operator. Raises as :meth:`require` does."""
        self.require(Role.OPERATOR)
        return self.viewer


class Info(strawberry.Info[RequestContext, Any]):
    """What resolvers are handed, with our context."""
