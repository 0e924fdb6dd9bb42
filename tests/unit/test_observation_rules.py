"""Observation rules: patterns, their expansion by a registration, and the state of several targets together."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.domain.enums import SECOND, ObservationState
from app.domain.object_models import registered_instances
from app.domain.observation_rules import (
    MAX_EXPANDED,
    ObservationRule,
    Target,
    TargetState,
    covers,
    expand,
    parse_pattern,
    pattern_text,
    state_of,
)
from app.domain.paths import InvalidPath

S = ObservationState
LINKS = [{"url": url} for url in ("/", "/1/0", "/3/0", "/3303/0", "/3303/2", "/3304")]
INSTANCES = registered_instances(LINKS)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("/3303/*/5700", "/3303/*/5700"),
        ("3303/*/5700", "/3303/*/5700"),
        ("/3303/*", "/3303/*"),
        ("/3303", "/3303"),
        ("/3303/0/5700/1", "/3303/0/5700/1"),
    ],
)
def test_a_pattern_is_a_path_with_any_instance(text: str, normal: str) -> None:
    assert pattern_text(parse_pattern(text)) == normal


NO_PATTERNS = "/ * /* /*/0/1 /3303/*/* /3303/0/* /3303/**/5700 /3303/*/5700/* /99999/* /3303/65535 /3303/*/1/2/3"


@pytest.mark.parametrize("text", ["", "/3303/ */5700", "/3303//5700", "/3303/*/", "/3303/*/x", *NO_PATTERNS.split()])
def test_other_texts_are_no_pattern(text: str) -> None:
    with pytest.raises(InvalidPath):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("patterns", "paths"),
    [
        (["/3303/*/5700"], ["/3303/0/5700", "/3303/2/5700"]),
        (["/3303/*/5700", "/3303/0/5700"], ["/3303/0/5700", "/3303/2/5700"]),
        (["/3303/*"], ["/3303/0", "/3303/2"]),
        (["/3303"], ["/3303"]),
        (["/3303/1/5700"], []),
        (["/3304"], ["/3304"]),
        (["/3304/*/5700", "/3304/0/5700"], []),
        (["/5/0/3", "/3/0/9"], ["/3/0/9"]),
    ],
)
def test_a_pattern_is_expanded_to_what_is_registered(patterns: list[str], paths: list[str]) -> None:
    assert expand(patterns, INSTANCES) == paths


def test_without_object_links_only_plain_paths_are_taken() -> None:
    assert expand(["/3303/*/5700", "/3/0/9"], registered_instances(None)) == ["/3/0/9"]


def test_an_expansion_is_bounded() -> None:
    many = registered_instances([{"url": f"/3303/{instance}"} for instance in range(1_000)])
    assert len(expand(["/3303/*/5700"], many)) == MAX_EXPANDED


def test_links_below_an_alternate_path_and_hostile_ones() -> None:
    links = [{"url": url} for url in ("/lwm2m/3303/7", "/lwm2m/5", "/3303/99999", "/99999/0", "/x", "")]
    assert registered_instances(links) == {3303: {7}, 5: set()}


def test_a_composite_is_one_target() -> None:
    rule = ObservationRule(1, ("/3303/*/5700", "/3/0/9"), composite=True)
    (target,) = rule.targets(INSTANCES)
    assert target == Target(("/3/0/9", "/3303/0/5700", "/3303/2/5700"), composite=True)
    assert Target.of_key(target.key) == target
    assert ObservationRule(1, ("/77/0/1",), composite=True).targets(INSTANCES) == []


def test_a_single_target_and_a_composite_of_one_path_are_distinct() -> None:
    single, composite = Target(("/3/0/9",)), Target(("/3/0/9",), composite=True)
    assert single.key != composite.key
    assert [Target.of_key(one.key) for one in (single, composite)] == [single, composite]


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        ("/3303", "/3303/*/5700", True),
        ("/3303/*", "/3303/0/5700", True),
        ("/3303/0", "/3303/*/5700", True),
        ("/3303/1", "/3303/0/5700", False),
        ("/3303/*/5700", "/3303/0/5700", False),
        ("/3303/0/5700", "/3303/0", False),
    ],
)
def test_a_pattern_covers_those_below_it(above: str, below: str, expected: bool) -> None:
    assert covers(parse_pattern(above), parse_pattern(below)) is expected


def test_the_state_of_several_targets_is_the_first_in_order() -> None:
    assert state_of([]) is S.NOT_SUPPORTED
    order = [S.PENDING, S.REFUSED, S.STALE, S.ESTABLISHED]
    for before, after in pairwise(order):
        assert state_of([TargetState(after), TargetState(before)]) is before


def test_silence_is_limited_only_by_a_known_pmax() -> None:
    assert TargetState(S.ESTABLISHED, {"pmin": 5}).silence is None
    assert TargetState(S.ESTABLISHED, {"pmax": 300}).silence == 600 * SECOND
    assert TargetState(S.ESTABLISHED, {"pmax": 1}).silence == 60 * SECOND
    assert TargetState(S.ESTABLISHED, {"pmax": 300}, attributes_refused=True).silence is None
