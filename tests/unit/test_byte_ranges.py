"""Conditional requests and ranges of bytes."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from app.schema.transport.byte_ranges import asked_range, is_unchanged

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", None),
        ("bytes=0-9", range(10)),
        ("Bytes=5-5", range(5, 6)),
        ("bytes=90-", range(90, 100)),
        ("bytes=90-1000", range(90, 100)),
        ("bytes=-5", range(95, 100)),
        ("bytes=-500", range(100)),
        *((text, range(0)) for text in ("bytes=100-", "bytes=200-300", "bytes=-0")),
        *((text, None) for text in ("bytes=-", "bytes=9-8", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=0-1x")),
        ("bytes=" + "9" * 1_000 + "-", None),
    ],
)
def test_a_range_is_of_existing_bytes(given: str, expected: range | None) -> None:
    found = asked_range(Headers({"range": given}), ETAG, 100)
    if expected == range(0):
        assert found is not None
        assert len(found) == 0
    else:
        assert found == expected


def test_a_range_of_another_content_is_ignored() -> None:
    for if_range, expected in ((ETAG, range(2)), ('"other"', None), ("Mon, 30 Nov 2026 00:00:00 GMT", None)):
        assert asked_range(Headers({"range": "bytes=0-1", "if-range": if_range}), ETAG, 9) == expected


def test_an_unchanged_content_is_known_by_its_etag() -> None:
    known = [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"]
    assert all(is_unchanged(Headers({"if-none-match": one}), ETAG) for one in known)
    assert not any(is_unchanged(Headers(headers), ETAG) for headers in ({}, {"if-none-match": '"x"'}))
