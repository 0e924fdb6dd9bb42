"""Limits of the API.

A request above a maximum is the error LIMIT_EXCEEDED, a value outside of a range is BAD_USER_INPUT. The limits of
resource values are in ``app/domain/values.py``, because they apply to reported values, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from app.domain.values import MAX_TEXT_BYTES
from app.models import endpoint_index
from app.schema.errors import bad_input, over_limit

# --- documents

MAX_TOKENS: Final = 10_000
"""Maximum number of tokens of a document."""
MAX_DEPTH: Final = 15
MAX_ALIASES: Final = 50
MAX_SELECTIONS: Final = 500
"""Maximum number of fields and spreads in a document, each counted once: validation compares those of one name in
pairs."""
MAX_EXPANDED: Final = 2_500
"""Maximum number of fields and spreads with fragments expanded wherever they are spread."""
MAX_NODES: Final = 50_000
MAX_ERRORS: Final = 10
"""Maximum number of reported errors of a document or of its variables: each requires a walk over the document."""
MAX_MESSAGE: Final = 1_000
"""Maximum length in characters of graphql-core's messages, which may quote the client's input."""
MAX_LIST: Final = 1_000
"""Maximum number of members of a list or an object in variables and literals."""
MAX_VALUE_DEPTH: Final = 32

# --- requests

MAX_BODY: Final = 1_048_576
"""Maximum number of bytes of a request's body or of a WebSocket message by default; see :func:`body_limit`."""
MAX_ACCEPT: Final = 2_000
"""Maximum length of the ``Accept`` header in characters."""
MAX_BATCH: Final = 10
MAX_DOCUMENT: Final = 262_144
"""Maximum number of characters of all documents of a request that have to be parsed. Strings are not counted: they may
contain large values, which the limit of the body bounds."""
MAX_COST: Final = 50_000
"""Maximum cost of all operations of a request, about 0.5 s of CPU time. A field costs 1 for each row that it is
resolved for, an input value 1 for each coercion after the first (:data:`VALUES_FOR_ONE`), a statement as in
``execution/measure.py``."""
VALUES_FOR_ONE: Final = 5
"""Number of input values whose first coercion costs 1 in total."""
MAX_VALUES: Final = MAX_COST * VALUES_FOR_ONE
MAX_SECONDS: Final = 10.0
"""Maximum time in seconds for all queries of a request. Mutations are not interrupted."""
MAX_RESPONSE: Final = 8_388_608
"""Maximum number of bytes of stored values in the responses to a request, and of characters queued for a socket."""
MAX_SUBSCRIPTIONS: Final = 100
"""Maximum number of open operations on one WebSocket."""
MAX_QUEUED: Final = 1_000
"""Maximum number of payloads queued for one socket."""

# --- callers


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """Limits of each caller in a process, from the settings, whose defaults `docs/queries.md` explains; 0 is no limit.

    Attributes:
        requests_per_minute: HTTP requests, operations of a batch, and operations of a WebSocket.
        operations_per_minute: operations that mutations create.
        subscriptions: open operations of WebSockets, and event streams of subscriptions.
    """

    requests_per_minute: int = 0
    operations_per_minute: int = 0
    subscriptions: int = 0


MAX_CALLERS: Final = 10_000
"""Maximum number of callers whose requests are counted at a time; an identity provider may have any number."""
SUBSCRIPTION_RETRY_SECONDS: Final = 5
"""When a refused subscription may be tried again: no time is known at which another one ends."""

# --- arguments and input fields

Range: TypeAlias = tuple[int, int]

MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50
READING_PAGE: Final = 100
"""Number of readings of a page by default."""
MAX_SERIES: Final = 20
"""Maximum number of resources of ``readingSeries``."""
MAX_POINTS: Final = 2_000
"""Maximum number of intervals of ``readingSeries``."""
DEFAULT_POINTS: Final = 300
WINDOW_SECONDS: Final[Range] = (60, 86_400)
"""Length in seconds of the time that ``operationStatistics`` covers, up to now."""
DEFAULT_WINDOW: Final = 3_600
MAX_NAMES: Final = 1_000
"""Maximum number of endpoint names in a filter."""
MAX_CREATED: Final = 1_000
"""Maximum number of operations that one mutation creates, and of ids that a subscription names."""
MAX_CANCELED: Final = 200_000
MAX_RETRIED: Final = 10_000
"""Maximum number of operations that one mutation retries, as :data:`MAX_CANCELED` for cancellation."""
MAX_TAGS: Final = endpoint_index.MAX_TAGS
"""Maximum number of tags of an endpoint, of a filter, and of the arguments of a mutation."""
MAX_TAG: Final = 100
"""Maximum length of a tag in characters."""
MAX_TAGGED: Final = 200_000
"""Maximum number of endpoints whose tags one mutation changes."""
MAX_NAME: Final = 255
"""Maximum length in characters of a name, a key or a reason."""
MAX_PATHS: Final = 100
"""Maximum number of paths of a composite operation."""
MAX_RESOURCES: Final = 1_000
"""Maximum number of resources of an instance node, and of instances of a multiple-instance resource."""
MAX_ARGUMENTS: Final = MAX_TEXT_BYTES
"""Maximum length in characters of the arguments of an EXECUTE, which are ASCII."""
PRIORITY: Final[Range] = (-100, 100)
ATTEMPTS: Final[Range] = (1, 100)
TIMEOUT_SECONDS: Final[Range] = (1, 600)
TTL_SECONDS: Final[Range] = (1, 2**31 - 1)
MAX_DAYS_AHEAD: Final = 3_653
"""Maximum number of days from now to ``notBefore`` and to the start of a campaign: ten years."""


def body_limit(max_opaque: int) -> int:
    """Return the maximum size of a body for OPAQUE values of ``max_opaque`` bytes, sent as hexadecimal digits."""
    return max(MAX_BODY, 2 * max_opaque + 64 * 1024)


def page_size(first: int | None) -> int:
    """Check ``first`` and return it; the default for null.

    Raises:
        ApiError: BAD_USER_INPUT: below 1. LIMIT_EXCEEDED: above the maximum.
    """
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise bad_input(f"`first` is {first}; 1 to {MAX_PAGE} is expected.", "first")
    if first > MAX_PAGE:
        raise over_limit(f"`first` is {first}; at most {MAX_PAGE} is allowed.", MAX_PAGE)
    return first
