"""Token buckets and counters of callers, with a given clock."""

from __future__ import annotations

import math

import pytest

from app.models.ledger import sequences
from app.schema import caller_limits
from app.schema.caller_limits import CallerLimiter, TokenBuckets, caller_of
from app.schema.errors import ApiError
from app.schema.limits import MAX_BATCH, MAX_CREATED, MAX_RETRIED, MAX_SUBSCRIPTIONS, CallerLimits
from app.security import OPEN_VIEWER, Origin, Role, Viewer
from app.settings import Settings, variable

ONE = (Origin.SETTINGS, "one")
TWO = (Origin.SETTINGS, "two")
OLGA = Viewer("olga", Role.OPERATOR)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def facts(error: pytest.ExceptionInfo[ApiError]) -> dict[str, object]:
    return dict(error.value.extensions or {})


def test_a_bucket_is_emptied_and_filled_again(clock: Clock) -> None:
    buckets = TokenBuckets(60, clock)
    assert [buckets.take(ONE, tokens) for tokens in (1, 58, 1)] == [0, 0, 0]
    assert buckets.take(ONE, 2) == 2.0, "the seconds until two are there"
    clock.now += 1.5
    assert (buckets.take(ONE, 1), buckets.take(ONE, 1)) == (0, 0.5)
    clock.now += 3_600
    assert buckets.take(ONE, 61) == math.inf, "it never holds more than those of a minute"
    assert (buckets.take(ONE, 60), buckets.take(ONE, 1)) == (0, 1.0)


def test_a_refusal_takes_nothing(clock: Clock) -> None:
    buckets = TokenBuckets(10, clock)
    assert buckets.take(ONE, 8) == 0
    assert all(buckets.take(ONE, 3) > 0 for _ in range(5))
    assert buckets.take(ONE, 2) == 0


def test_callers_have_buckets_of_their_own(clock: Clock) -> None:
    buckets = TokenBuckets(1, clock)
    assert (buckets.take(ONE, 1), buckets.take(TWO, 1)) == (0, 0)
    assert buckets.take(ONE, 1) == 60


def test_the_number_of_buckets_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_limits, "MAX_CALLERS", 2)
    buckets = TokenBuckets(1, clock)
    for name in ("a", "b", "a", "c"):
        buckets.take((Origin.PROVIDER, name), 1)
    assert [name for _, name in buckets._buckets] == ["a", "c"], "the one that was served least recently is forgotten"


def test_a_caller_is_a_credential() -> None:
    token = Viewer("ci", Role.VIEWER, origin=Origin.TOKEN, credential=7)
    other = Viewer("ci", Role.VIEWER, origin=Origin.TOKEN, credential=8)
    jwt = Viewer("ci", Role.VIEWER, 1, Origin.PROVIDER, "key-1")
    later = Viewer("ci", Role.VIEWER, 2, Origin.PROVIDER, "key-2")
    access = Viewer("ci", Role.VIEWER)
    assert len({caller_of(viewer) for viewer in (token, other, jwt, access, OPEN_VIEWER)}) == 5
    assert caller_of(jwt) == caller_of(later)


def test_an_error_names_the_limit_the_setting_and_the_time(clock: Clock) -> None:
    limiter = CallerLimiter(CallerLimits(requests_per_minute=4, operations_per_minute=30, subscriptions=1), clock)
    limiter.admit_requests(OLGA, 4)
    with pytest.raises(ApiError) as requests:
        limiter.admit_requests(OLGA)
    limit = {"code": "LIMIT_EXCEEDED", "limit": 4, "setting": variable("requests_per_minute")}
    assert facts(requests) == limit | {"retryAfterSeconds": 15}
    with pytest.raises(ApiError) as never:
        limiter.admit_operations(OLGA, 31)
    assert facts(never) == {"code": "LIMIT_EXCEEDED", "limit": 30, "setting": variable("operations_per_minute")}
    limiter.admit_operations(OLGA, 30)
    with limiter.subscription(OLGA), pytest.raises(ApiError) as subscriptions, limiter.subscription(OLGA):
        pass
    assert facts(subscriptions)["setting"] == variable("max_subscriptions")
    with limiter.subscription(OLGA):
        limiter.check_subscription(OPEN_VIEWER)
    assert limiter._open == {}


def test_zero_is_no_limit(clock: Clock) -> None:
    limiter = CallerLimiter(CallerLimits(), clock)
    limiter.admit_requests(OLGA, 10**9)
    limiter.admit_operations(OLGA, 10**9)
    with limiter.subscription(OLGA):
        limiter.check_subscription(OLGA)


def test_the_defaults_admit_whatever_a_single_request_may_do() -> None:
    defaults = Settings()
    assert defaults.requests_per_minute >= MAX_BATCH
    assert defaults.operations_per_minute >= max(MAX_CREATED, MAX_RETRIED)
    assert defaults.max_subscriptions >= MAX_SUBSCRIPTIONS
    assert defaults.max_queued >= 2 * sequences.MAX_QUEUED, "an endpoint may have a full sequence, and more"
