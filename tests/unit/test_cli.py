"""The command line: an invalid option is refused before anything starts, and named."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import process_of
from app.command_error import CommandError
from app.commands import cli


@pytest.mark.parametrize(
    ("verb", "option", "value"),
    [
        ("simulate", "--port", "65536"),
        ("simulate", "--devices", "-1"),
        ("simulate", "--silent-rate", "1.5"),
        ("simulate", "--refuse-rate", "-0.1"),
        ("dispatch", "--health-port", "65536"),
        ("bridge", "--health-port", "-1"),
    ],
)
def test_an_impossible_option_is_refused(verb: str, option: str, value: str) -> None:
    result = CliRunner().invoke(cli, [verb, option, value])
    assert result.exit_code == 2
    assert option in result.output


@pytest.mark.parametrize(
    ("arguments", "process"),
    [
        (["serve"], ("serve", None)),
        (["api"], ("api", None)),
        (["dispatch"], ("dispatch", None)),
        (["bridge", "--health-port", "0"], ("bridge", 0)),
        (["dispatch", "--health-port", "65535"], ("dispatch", 65_535)),
        (["dispatch", "--health-port", "65536"], None),
        (["dispatch", "--health-port", "-1"], None),
        (["dispatch", "--health-port", "\u0661"], None),
        (["dispatch", "--health-port"], None),
        (["api", "--health-port", "8100"], None),
        (["api", "--help"], None),
        (["migrate"], None),
        ([], None),
    ],
)
def test_a_valid_command_line_of_a_process_needs_no_parser(
    arguments: list[str], process: tuple[str, int | None] | None
) -> None:
    assert process_of(arguments) == process


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-23", "2026-11-23T10:00:00", "0001-01-01T00:00:00Z", "+2h"])
def test_a_time_that_is_no_instant_is_refused(time: str) -> None:
    result = CliRunner().invoke(cli, ["aggregate", "--since", time])
    assert isinstance(result.exception, CommandError)
    assert result.exception.exit_code == 2
    assert str(result.exception).startswith(f"--since: invalid time {time!r}; expected a time with an offset from UTC")


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "", "--role", "viewer"],
        ["create", "cli:root", "--role", "viewer"],
        ["create", "line\nfeed", "--role", "viewer"],
        ["create", "ci", "--role", "viewer", "--expires", "1999-01-01T00:00:00Z"],
        ["create", "ci", "--role", "viewer", "--expires", "2999-01-01T00:00:00"],
        ["create", "ci", "--role", "viewer", "--expires", "soon"],
    ],
)
def test_an_invalid_token_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["token", *arguments])
    assert isinstance(result.exception, CommandError)
    assert result.exception.exit_code == 2
