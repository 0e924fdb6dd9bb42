"""Logs: one JSON object a line for machines, the libraries' lines among ours."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.telemetry import configure_logging, get_logger


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_carry_facts_and_traces(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True)
    log = get_logger("app.test")
    log.info("endpoint heard", endpoint="urn:imei:1")
    logging.getLogger("uvicorn.error").warning("started %s", "once")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        log.exception("went wrong")
    heard, started, wrong = map(json.loads, capsys.readouterr().err.splitlines())
    assert (heard["event"], heard["endpoint"], heard["level"]) == ("endpoint heard", "urn:imei:1", "info")
    assert heard["timestamp"].endswith("Z")
    assert (started["event"], started["logger"]) == ("started once", "uvicorn.error")
    assert wrong["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_text_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    get_logger("app.test").info("endpoint heard", endpoint="urn:imei:1")
    line = capsys.readouterr().err
    assert "endpoint heard" in line
    assert "endpoint=urn:imei:1" in line


def test_the_level_holds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="warning")
    get_logger("app.test").info("not shown")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_a_trace_shows_no_local_variables(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    configure_logging(json=as_json)
    try:
        _fails("-".join(("a", "secret")))  # put together, so that the line itself does not hold it
    except ZeroDivisionError:
        get_logger("app.test").exception("went wrong")
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown
    assert "a-secret" not in shown


def _fails(token: str) -> float:
    return len(token) / 0
