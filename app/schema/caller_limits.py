"""Limits of a caller: its requests and created operations per minute, and its open subscriptions.

Each API process counts by itself and in memory, so that a request costs neither I/O nor a lock: with several processes,
a caller may have as many times the limit. A caller is a credential; where access is open, all callers are one.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from app.schema.errors import ApiError, over_limit
from app.schema.limits import MAX_CALLERS, SUBSCRIPTION_RETRY_SECONDS, CallerLimits
from app.security import Origin, Viewer
from app.telemetry import LIMIT_REFUSALS

REQUESTS: Final = "REVEILLE_REQUESTS_PER_MINUTE"
OPERATIONS: Final = "REVEILLE_OPERATIONS_PER_MINUTE"
SUBSCRIPTIONS: Final = "REVEILLE_MAX_SUBSCRIPTIONS"
"""The settings of the limits, as errors and metrics name them."""

_MINUTE: Final = 60.0

Caller: TypeAlias = tuple[Origin, str | int]
Clock: TypeAlias = Callable[[], float]
"""Returns a time in seconds that never goes back."""


def caller_of(viewer: Viewer) -> Caller:
    """Return the caller that a viewer's credential identifies: a token of the database by its id, others by their name.
    A JWT has no lasting id, and its key is that of many callers."""
    if viewer.origin is Origin.TOKEN and viewer.credential is not None:
        return viewer.origin, viewer.credential
    return viewer.origin, viewer.name


class TokenBuckets:
    """A bucket for each caller: it holds ``per_minute`` tokens at most, and regains as many in a minute.

    Only the :data:`MAX_CALLERS` callers that were served last have one; the bucket of another is full.
    """

    __slots__ = ("_buckets", "_clock", "_per_minute")

    def __init__(self, per_minute: int, clock: Clock = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._buckets: dict[Caller, tuple[float, float]] = {}
        """Tokens, and the time at which there were so many; the caller that was served last comes last."""

    def take(self, caller: Caller, tokens: int) -> float:
        """Take all of these tokens, or none.

        Returns:
            0 if they were taken, otherwise the seconds until the bucket has so many; infinity if it never holds them.
        """
        now = self._clock()
        before, at = self._buckets.pop(caller, (self._per_minute, now))
        left = min(self._per_minute, before + (now - at) * self._per_minute / _MINUTE)
        taken = tokens <= left
        self._buckets[caller] = (left - tokens if taken else left, now)
        if len(self._buckets) > MAX_CALLERS:
            del self._buckets[next(iter(self._buckets))]
        if taken:
            return 0.0
        return math.inf if tokens > self._per_minute else (tokens - left) * _MINUTE / self._per_minute


class CallerLimiter:
    """The limits of all callers of a process. A limit of 0 does not apply."""

    def __init__(self, limits: CallerLimits | None = None, clock: Clock = time.monotonic) -> None:
        self._limits = limits or CallerLimits()
        self._requests = TokenBuckets(self._limits.requests_per_minute, clock)
        self._operations = TokenBuckets(self._limits.operations_per_minute, clock)
        self._open: Counter[Caller] = Counter()

    def admit_requests(self, viewer: Viewer, count: int = 1) -> None:
        """Count requests: an HTTP request, each operation of a batch, each operation of a WebSocket.

        Raises:
            ApiError: LIMIT_EXCEEDED: the caller has sent too many; none is counted.
        """
        most = self._limits.requests_per_minute
        if most and (wait := self._requests.take(caller_of(viewer), count)):
            raise _refusal(f"Too many requests; at most {most} a minute are allowed.", most, REQUESTS, wait)

    def admit_operations(self, viewer: Viewer, count: int) -> None:
        """Count operations before they are created, also those that turn out to exist already.

        Raises:
            ApiError: LIMIT_EXCEEDED: the caller has created too many; none is counted.
        """
        most = self._limits.operations_per_minute
        if most and (wait := self._operations.take(caller_of(viewer), count)):
            message = f"Too many operations; at most {most} a minute are allowed, and none of these was created."
            raise _refusal(message, most, OPERATIONS, wait)

    def check_subscription(self, viewer: Viewer) -> None:
        """Check whether a caller may open a subscription.

        Raises:
            ApiError: LIMIT_EXCEEDED: it has too many.
        """
        most = self._limits.subscriptions
        if most and self._open[caller_of(viewer)] >= most:
            message = f"Too many open subscriptions; at most {most} are allowed."
            raise _refusal(message, most, SUBSCRIPTIONS, SUBSCRIPTION_RETRY_SECONDS)

    @contextmanager
    def subscription(self, viewer: Viewer) -> Iterator[None]:
        """Count an open subscription for the duration of the context. Raises as :meth:`check_subscription` does."""
        self.check_subscription(viewer)
        caller = caller_of(viewer)
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


def _refusal(message: str, limit: int, setting: str, wait: float) -> ApiError:
    LIMIT_REFUSALS.labels(setting).inc()
    seconds = None if math.isinf(wait) else math.ceil(wait)
    return over_limit(message, limit, setting=setting, retryAfterSeconds=seconds)
