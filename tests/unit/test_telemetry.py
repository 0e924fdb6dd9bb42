"""Logs: one JSON object per line for machines, the libraries' lines among ours."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.telemetry import REPEAT_SECONDS, REPEATS, RepeatLimit, configure_logging, get_logger


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, own = root.handlers[:], root.level, logging.getLogger("app").level
    yield
    logging.getLogger("app").setLevel(own)
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
        _fails("-".join(("a", "secret")))  # joined, so that the line itself does not contain it
    except ZeroDivisionError:
        get_logger("app.test").exception("went wrong")
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown
    assert "a-secret" not in shown


def test_text_lines_escape_unprintable_characters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    log = get_logger("app.test")
    log.info("endpoint registered", endpoint="dev\x1b]0;title\x07", problems=["\u202e"])
    try:
        _raise("dev\x1b[2J")
    except ValueError:
        log.exception("not stored")
    shown = capsys.readouterr().err
    assert r"endpoint=dev\x1b]0;title\x07 problems=['\u202e']" in shown
    assert r"ValueError: dev\x1b[2J" in shown
    assert all(line.isprintable() for line in shown.split("\n"))


def test_libraries_log_no_calls_and_no_headers(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="debug")
    for library in ("uvicorn.error", "websockets.server", "httpx", "httpcore", "asyncio"):
        logging.getLogger(library).debug("< authorization: Bearer of-a-viewer")
        logging.getLogger(library).info('"WebSocket /graphql?token=of-a-viewer" [accepted]')
    get_logger("app.test").debug("attempt")
    (line,) = capsys.readouterr().err.splitlines()
    assert "attempt" in line


def test_repeated_warnings_are_counted_instead_of_written(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    configure_logging(json=True)
    handler = logging.getLogger().handlers[0]
    handler.filters[:] = [RepeatLimit(lambda: now[0])]
    log = get_logger("app.test")
    for number in range(1_000):
        log.warning("stream_event_broken", number=number)
    log.warning("another")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    now[0] += REPEAT_SECONDS
    log.warning("stream_event_broken", number=1_000)
    log.warning("stream_event_broken", number=1_001)
    for number in range(2 * REPEATS):
        log.critical("result_not_stored", number=number)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    broken = [line for line in lines if line["event"] == "stream_event_broken"]
    assert [line["number"] for line in broken] == [*range(REPEATS), 1_000, 1_001]
    assert [line.get("suppressed") for line in broken] == [*[None] * REPEATS, 1_000 - REPEATS, None]
    others = [line["event"] for line in lines if line["event"] != "stream_event_broken"]
    assert others == ["another", "Invalid HTTP request received.", *["result_not_stored"] * 2 * REPEATS]


def _raise(text: str) -> None:
    raise ValueError(text)


def _fails(token: str) -> float:
    return len(token) / 0
