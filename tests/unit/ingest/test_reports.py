"""An operation's answer: every value that can be represented, and the reasons that the others cannot."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import MAX_OPAQUE_BYTES, MAX_TEXT_BYTES
from app.domain.verdicts import Report
from app.ingest.reports import report_of
from app.leshan.answers import MAX_DETAIL

INSTANCE: Final = "/3442/0"


def report(*resources: dict[str, Any]) -> Report:
    content = {"kind": "instance", "id": 0, "resources": list(resources)}
    return report_of(INSTANCE, Outcome(OutcomeKind.SUCCESS, 200, content=content), lambda _: None)


def single(type_: str, value: Any, id_: int = 1) -> dict[str, Any]:
    return {"kind": "singleResource", "id": id_, "type": type_, "value": value}


GOOD: Final = single("STRING", "ok", 2)

UNREPRESENTABLE: Final = [
    ("STRING", "x" * (MAX_TEXT_BYTES + 1), f"at most {MAX_TEXT_BYTES} bytes"),
    ("OPAQUE", "00" * (MAX_OPAQUE_BYTES + 1), f"at most {MAX_OPAQUE_BYTES} bytes"),
    ("FLOAT", "NaN", "not a finite number"),
    ("FLOAT", "Infinity", "not a finite number"),
    ("FLOAT", "-Infinity", "not a finite number"),
    ("STRING", "a\x00b", "NUL"),
    ("TIME", 253_402_300_800_000, "years 1 to 9999"),
]


@pytest.mark.parametrize(
    ("type_", "value", "why"), UNREPRESENTABLE, ids=[f"{a}-{str(b)[:9]}" for a, b, _ in UNREPRESENTABLE]
)
def test_a_value_that_cannot_be_represented_is_named_with_the_reason(type_: str, value: Any, why: str) -> None:
    told = report(single(type_, value), GOOD)
    assert told.answer == {f"{INSTANCE}/2": "ok"}
    assert told.outcome.detail is not None
    assert told.outcome.detail.startswith(f"left out of the answer: {INSTANCE}/1: ")
    assert why in told.outcome.detail


def test_an_answer_without_valid_values_is_empty_and_has_the_reason() -> None:
    told = report(single("FLOAT", "NaN"))
    assert told.answer == {}
    assert f"{INSTANCE}/1: " in (told.outcome.detail or "")


@pytest.mark.parametrize("value", ["x" * MAX_TEXT_BYTES, "\u20ac" * (MAX_TEXT_BYTES // 3)])
def test_a_text_up_to_the_limit_is_answered(value: str) -> None:
    told = report(single("STRING", value))
    assert told.answer == {f"{INSTANCE}/1": value}
    assert told.outcome.detail is None


def test_an_opaque_value_up_to_the_limit_is_answered() -> None:
    value = "ab" * MAX_OPAQUE_BYTES
    assert report(single("OPAQUE", value)).answer == {f"{INSTANCE}/1": value}


def test_instances_of_a_multiple_resource_count_separately() -> None:
    multiple = {"kind": "multiResource", "id": 1, "type": "FLOAT", "values": {"0": "1.5", "3": "NaN", "7": "2.5"}}
    told = report(multiple)
    assert told.answer == {f"{INSTANCE}/1": {"0": 1.5, "7": 2.5}}
    why = "no readable FLOAT: NaN is not a finite number, which is all that JSON has"
    assert told.outcome.detail == f"left out of the answer: {INSTANCE}/1/3: {why}"


def test_a_long_list_of_reasons_has_the_number_of_the_omitted_ones() -> None:
    told = report(*(single("FLOAT", "NaN", id_) for id_ in range(200)))
    detail = told.outcome.detail or ""
    assert len(detail) <= MAX_DETAIL
    shown = detail.count("NaN is not")
    assert shown > 5
    assert detail.endswith(f"; and {200 - shown} more")


def test_an_answer_that_is_no_node_has_the_reason() -> None:
    told = report_of(None, Outcome(OutcomeKind.SUCCESS, 200, content="nonsense"), lambda _: None)
    assert (told.answer, told.outcome.detail) == (
        {},
        "left out of the answer: the answer cannot be read: the content is no map of paths to nodes",
    )


def test_an_empty_instance_is_an_empty_answer() -> None:
    assert (report().answer, report().outcome.detail) == ({}, None)


def test_an_answer_without_content_is_none() -> None:
    assert report_of("/3442/0/110", Outcome(OutcomeKind.SUCCESS, 200), lambda _: None).answer is None
