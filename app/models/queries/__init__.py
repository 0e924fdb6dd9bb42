"""Reading: pages, single rows and the log, each in a constant number of statements (``docs/queries.md``).

Everything is read through Tortoise's default connection, which cannot write (``app.models.database.reading``).
"""

from app.models.queries.criteria import EndpointCriteria, OperationCriteria
from app.models.queries.endpoints import (
    endpoint_by_id,
    endpoint_by_name,
    endpoint_page,
    endpoints_by_id,
    heads_of,
    object_links_of,
    resource_states,
)
from app.models.queries.log import Expired, Piece, read_presences, read_resources, read_transitions
from app.models.queries.operations import operation_by_id, operation_page, operations_by_id, operations_by_seq
from app.models.queries.pages import COUNT_LIMIT, Page
from app.models.queries.reading import ReadUnavailable
from app.models.queries.server import (
    LogHead,
    database_now,
    log_head,
    log_position,
    object_models,
    operation_counts,
    server_view,
)
from app.models.queries.transitions import transition_page, transitions_by_seq
from app.models.queries.views import (
    EndpointView,
    OperationView,
    PresenceChangeView,
    ResourceChangeView,
    ResourceStateView,
    ServerView,
    TransitionView,
)

__all__ = [
    "COUNT_LIMIT",
    "EndpointCriteria",
    "EndpointView",
    "Expired",
    "LogHead",
    "OperationCriteria",
    "OperationView",
    "Page",
    "Piece",
    "PresenceChangeView",
    "ReadUnavailable",
    "ResourceChangeView",
    "ResourceStateView",
    "ServerView",
    "TransitionView",
    "database_now",
    "endpoint_by_id",
    "endpoint_by_name",
    "endpoint_page",
    "endpoints_by_id",
    "heads_of",
    "log_head",
    "log_position",
    "object_links_of",
    "object_models",
    "operation_by_id",
    "operation_counts",
    "operation_page",
    "operations_by_id",
    "operations_by_seq",
    "read_presences",
    "read_resources",
    "read_transitions",
    "resource_states",
    "server_view",
    "transition_page",
    "transitions_by_seq",
]
