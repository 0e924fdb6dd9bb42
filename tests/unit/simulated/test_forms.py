"""Small formats: Java's doubles, EXECUTE's arguments, seeded chance, behaviors from JSON."""

from __future__ import annotations

import pytest

from simulator.behaviours import Behaviour, Kind
from simulator.dice import Dice
from simulator.nodes import java_double
from simulator.requests import read_arguments
from simulator.responses import ServerAnswer


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (2.5, "2.5"),
        (100.0, "100.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (12345678.9, "1.23456789E7"),
        (-1e300, "-1.0E300"),
        (5e-324, "5.0E-324"),
    ],
)
def test_a_double_is_written_as_java_writes_it(number: float, text: str) -> None:
    assert java_double(number) == text


@pytest.mark.parametrize(("text", "arguments"), [("", {}), ("3", {3: ""}), ("0='a',1", {0: "a", 1: ""})])
def test_arguments_are_read(text: str, arguments: dict[int, str]) -> None:
    assert read_arguments(text) == arguments


@pytest.mark.parametrize("text", ["a", "0='a", "0,", "12", "0=a"])
def test_bad_arguments_are_refused(text: str) -> None:
    with pytest.raises(ServerAnswer, match="Unable to parse Arguments"):
        read_arguments(text)


def test_random_numbers_depend_only_on_seed_and_name() -> None:
    def drawn(dice: Dice) -> list[object]:
        return [dice.number(), dice.text(10), dice.uuid(), dice.within((1.0, 2.0))]

    assert drawn(Dice(1, "a")) == drawn(Dice(1, "a"))
    assert drawn(Dice(1, "a")) != drawn(Dice(1, "b"))
    assert drawn(Dice(1, "a")) != drawn(Dice(2, "a"))


def test_a_behavior_is_read_from_json_and_checked() -> None:
    assert Behaviour.from_json({"kind": "silent", "times": 2}) == Behaviour(kind=Kind.SILENT, times=2)
    with pytest.raises(ValueError, match="odd"):
        Behaviour.from_json({"kind": "odd"})
    with pytest.raises(ValueError, match="no colour"):
        Behaviour.from_json({"colour": "red"})
