"""A long-lived subscription retains nothing of the events that it has delivered."""

from __future__ import annotations

from graphql import parse

from app.schema.execution.schema import Execution, schema


def test_rows_collected_for_one_event_are_released_before_the_next() -> None:
    document = parse("subscription { operationTransitions { operation { id } } }")
    whole = Execution.build(schema.graphql_schema, document)
    assert isinstance(whole, Execution)
    first, second = whole.build_per_event_executor({}), whole.build_per_event_executor({})
    caches = [one._relevant_sub_fields for one in (whole, first, second)]
    assert len({id(cache) for cache in caches}) == len(caches)
