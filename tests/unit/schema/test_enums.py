"""Ids, scalars and limits by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError, GraphQLObjectType, parse
from hypothesis import given
from hypothesis import strategies as st

from app.schema.api.ids import NoSuchId, endpoint_id, operation_id, parse_id, parse_operation_id
from app.schema.api.scalars import read_big_int, read_datetime, write_datetime
from app.schema.errors import ApiError
from app.schema.execution.documents import prepare
from app.schema.execution.measure import PAGED, check_document
from app.schema.execution.schema import schema

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_ids_are_read_back() -> None:
    assert parse_id(operation_id(UUID)) == ("DeviceOperation", UUID)
    assert parse_id(endpoint_id(5)) == ("Endpoint", "5")
    with pytest.raises(NoSuchId):
        parse_operation_id(endpoint_id(5))


@given(st.text())
def test_any_other_text_is_no_id(text: str) -> None:
    with pytest.raises(NoSuchId):
        parse_id(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23t12:00:00.123456789+02:00", "2026-11-23T10:00:00.123456Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_exact_and_in_utc(text: str, told: str) -> None:
    assert write_datetime(read_datetime(text)) == told


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23",
        "2026-11-23T10:00:00",
        "2026-13-01T00:00:00Z",
        "20261123T100000Z",
        5,
        None,
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_other_times_are_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="expected"):
        read_datetime(value)


@given(st.integers(-(2**63), 2**64 - 1))
def test_every_integer_of_64_bits_is_read(number: int) -> None:
    assert read_big_int(number) == read_big_int(str(number)) == number


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "", "0x1", " 1", "1_0", "٣", 2**64, -(2**63) - 1, "9" * 30, None])
def test_other_integers_are_refused(value: Any) -> None:
    with pytest.raises(GraphQLError, match="expected"):
        read_big_int(value)


def test_the_measured_fields_are_those_with_first() -> None:
    types = [one for one in schema.graphql_schema.type_map.values() if isinstance(one, GraphQLObjectType)]
    assert {name for one in types for name, field in one.fields.items() if "first" in field.args} == PAGED


def test_fragments_that_double_at_every_level_are_measured_quickly() -> None:
    """Expanded at every spread, these fragments would be 2^100 selections."""
    fragments = " ".join(f"fragment F{i} on Query {{ ...F{i + 1} a: __typename ...F{i + 1} }}" for i in range(100))
    document = parse(f"query {{ ...F0 }} {fragments} fragment F100 on Query {{ __typename }}")
    with pytest.raises(ApiError, match="aliases"):
        check_document(document)


def test_a_cycle_of_fragments_is_left_to_validation() -> None:
    prepared = prepare(schema.graphql_schema, "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")
    assert any("spread" in error.message for error in prepared.errors)


@pytest.mark.parametrize("text", ["{" * 5_000, "query($a: " + "[" * 5_000 + "Int)", "{ a(b: " + "[" * 5_000])
def test_a_document_that_nests_without_end_is_refused(text: str) -> None:
    assert prepare(schema.graphql_schema, text).errors
