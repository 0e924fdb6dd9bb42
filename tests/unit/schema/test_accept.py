"""Content negotiation by quality values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.transport.content_negotiation import (
    EVENT_STREAM,
    MULTIPART,
    PLAIN_JSON,
    RESPONSE_JSON,
    response_formats,
)

CASES: list[tuple[str, str | None, str | None, str | None]] = [
    # Accept, then the format of a batch, of a query or mutation, of a subscription
    ("", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    ("*/*", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    ("application/*", PLAIN_JSON, PLAIN_JSON, None),
    ("application/json", PLAIN_JSON, PLAIN_JSON, None),
    ("Application/JSON; Charset=UTF-8", PLAIN_JSON, PLAIN_JSON, None),
    ("application/graphql-response+json", RESPONSE_JSON, RESPONSE_JSON, None),
    ("application/graphql-response+json, application/json", RESPONSE_JSON, RESPONSE_JSON, None),
    ("application/graphql-response+json;q=0.9, application/json", PLAIN_JSON, PLAIN_JSON, None),
    ("application/graphql-response+json, application/json;q=0.9", RESPONSE_JSON, RESPONSE_JSON, None),
    ("application/json;q=0, */*", RESPONSE_JSON, RESPONSE_JSON, EVENT_STREAM),
    ("text/event-stream", None, EVENT_STREAM, EVENT_STREAM),
    ("text/event-stream, application/json", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    ("application/json;q=0.9, text/event-stream", PLAIN_JSON, EVENT_STREAM, EVENT_STREAM),
    ("application/json, text/event-stream;q=0.001", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    ("text/event-stream;q=0, application/json", PLAIN_JSON, PLAIN_JSON, None),
    ("text/event-stream;q=0, */*", PLAIN_JSON, PLAIN_JSON, None),
    ("text/*, text/event-stream;q=0, application/json;q=0.1", PLAIN_JSON, PLAIN_JSON, None),
    ("*/*;q=0, text/event-stream", None, EVENT_STREAM, EVENT_STREAM),
    ("image/png", None, None, None),
    ("*/*;q=0", None, None, None),
    ("multipart/mixed", None, None, None),
    ('multipart/mixed;boundary="-";deferSpec=20220824, application/json', PLAIN_JSON, PLAIN_JSON, None),
    ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json", PLAIN_JSON, PLAIN_JSON, MULTIPART),
    ('multipart/mixed;subscriptionSpec="1.0", */*', PLAIN_JSON, PLAIN_JSON, MULTIPART),
    ("multipart/mixed;subscriptionSpec=1.0, text/event-stream", None, EVENT_STREAM, EVENT_STREAM),
    ("multipart/mixed;subscriptionSpec=1.0, text/event-stream;q=0.5", None, EVENT_STREAM, MULTIPART),
    ("multipart/mixed;subscriptionSpec=1.0;q=0, text/event-stream", None, EVENT_STREAM, EVENT_STREAM),
    # headers of real clients and libraries
    ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    (
        'application/ld+json;profile="https://a.example/x,text/event-stream", application/json',
        PLAIN_JSON,
        PLAIN_JSON,
        None,
    ),
    # malformed elements are ignored; if none is left, the header counts as absent
    ("text/event-stream;q=high, application/json;q=0.5", PLAIN_JSON, PLAIN_JSON, None),
    ("text/event-stream;q=2, text/event-stream/x, nonsense, ;q=1, , application/json", PLAIN_JSON, PLAIN_JSON, None),
    ("application/json;q=nan", PLAIN_JSON, PLAIN_JSON, EVENT_STREAM),
    ('application/json;"', PLAIN_JSON, PLAIN_JSON, None),
]


@pytest.mark.parametrize(("accept", "json", "single", "stream"), CASES, ids=[accept for accept, *_ in CASES])
def test_the_format_is_chosen_by_quality(accept: str, json: str | None, single: str | None, stream: str | None) -> None:
    formats = response_formats(accept)
    assert (formats.json, formats.single, formats.stream) == (json, single, stream)


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html,*/*", True),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0, */*", False),
        ("*/*", False),
    ],
)
def test_the_page_is_served_where_html_is_preferred(accept: str, page: bool) -> None:
    assert response_formats(accept).page is page


@given(st.text(alphabet='aq=;,"\\/*.01 ', max_size=200) | st.text(max_size=200))
def test_any_text_can_be_parsed(accept: str) -> None:
    formats = response_formats(accept)
    assert formats.single in {formats.json, EVENT_STREAM}
