"""Queries: pages, single rows and the log, each in a constant number of statements (``docs/queries.md``).

All of them use Tortoise's connections for reading, which cannot write (``app.models.database.reading``).
"""

from app.models.queries.criteria import EndpointCriteria, OperationCriteria
from app.models.queries.endpoints import (
    count_endpoints,
    endpoint_by_id,
    endpoint_by_name,
    endpoint_keys,
    endpoint_matches,
    endpoint_page,
    endpoints_after,
    endpoints_by_id,
    heads_of,
    object_versions_of,
    registered_objects,
    resource_states,
    resource_values,
)
from app.models.queries.log import Expired, Piece, read_presences, read_resources, read_transitions
from app.models.queries.many import exact_count, not_retried, operation_seqs
from app.models.queries.operations import operation_by_id, operation_page, operations_by_id, operations_by_seq
from app.models.queries.pages import COUNT_LIMIT, Page
from app.models.queries.pauses import pause_by_id, pauses
from app.models.queries.reading import Lane, ReadUnavailable, reading_errors, reading_through
from app.models.queries.readings import (
    Bucket,
    Interval,
    ReadingCriteria,
    latest_page,
    oldest_readings,
    reading_page,
    reading_series,
    reading_values,
    resource_paths,
)
from app.models.queries.server import (
    LogHead,
    database_now,
    log_head,
    log_position,
    operation_counts,
    server_view,
)
from app.models.queries.status import Leases, Waiting, leases, longest_waiting, open_calls, waiting_endpoints
from app.models.queries.transitions import transition_page, transitions_by_seq
from app.models.queries.views import (
    INLINE,
    EndpointView,
    Large,
    PauseView,
    PresenceChangeView,
    ReadingView,
    ResourceStateView,
    ServerView,
    TransitionView,
)

__all__ = [
    "COUNT_LIMIT",
    "INLINE",
    "Bucket",
    "EndpointCriteria",
    "EndpointView",
    "Expired",
    "Interval",
    "Lane",
    "Large",
    "Leases",
    "LogHead",
    "OperationCriteria",
    "Page",
    "PauseView",
    "Piece",
    "PresenceChangeView",
    "ReadUnavailable",
    "ReadingCriteria",
    "ReadingView",
    "ResourceStateView",
    "ServerView",
    "TransitionView",
    "Waiting",
    "count_endpoints",
    "database_now",
    "endpoint_by_id",
    "endpoint_by_name",
    "endpoint_keys",
    "endpoint_matches",
    "endpoint_page",
    "endpoints_after",
    "endpoints_by_id",
    "exact_count",
    "heads_of",
    "latest_page",
    "leases",
    "log_head",
    "log_position",
    "longest_waiting",
    "not_retried",
    "object_versions_of",
    "oldest_readings",
    "open_calls",
    "operation_by_id",
    "operation_counts",
    "operation_page",
    "operation_seqs",
    "operations_by_id",
    "operations_by_seq",
    "pause_by_id",
    "pauses",
    "read_presences",
    "read_resources",
    "read_transitions",
    "reading_errors",
    "reading_page",
    "reading_series",
    "reading_through",
    "reading_values",
    "registered_objects",
    "resource_paths",
    "resource_states",
    "resource_values",
    "server_view",
    "transition_page",
    "transitions_by_seq",
    "waiting_endpoints",
]
