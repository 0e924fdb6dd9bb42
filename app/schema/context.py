"""What resolvers are handed: the process's parts, who asks, and what belongs to one document alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import strawberry

from app.models.ledger import Ledger
from app.models.live import LiveLog
from app.schema.errors import ApiError, Code
from app.schema.input_checks import Defaults
from app.security import Role, Viewer

if TYPE_CHECKING:
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
    """A request or a connection: who asks. Of a WebSocket it is known after ``connection_init``."""

    house: SchemaContext
    viewer: Viewer | None
    connection_params: dict[str, object] | None = None


@dataclass(slots=True)
class RequestContext:
    """One document that is being executed.

    Attributes:
        named: whether the request said which of the document's operations it means.
        cursor: the log's position, or why it could not be read; set when the document asks for it, before all else.
        told: of a subscription, the ``seq`` of the last event.
    """

    house: SchemaContext
    viewer: Viewer
    named: bool
    reads: Reads
    cursor: int | Exception | None = None
    told: int = 0

    def operator(self) -> Viewer:
        """Who asks, if they may act on devices.

        Raises:
            ApiError: FORBIDDEN.
        """
        if not self.viewer.may(Role.OPERATOR):
            raise ApiError(Code.FORBIDDEN, f"{self.viewer.name} may read, but not act: the role operator is needed")
        return self.viewer


class Info(strawberry.Info[RequestContext, Any]):
    """What resolvers are handed, with our context."""
