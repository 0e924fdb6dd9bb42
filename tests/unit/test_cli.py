"""The command line: an invalid option is refused before anything starts, and named."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from app.cli import cli


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
