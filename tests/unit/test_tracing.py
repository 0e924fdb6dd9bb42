"""Tracing costs nothing unless it is configured, and a configuration that cannot be used stops no process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import structlog

from app.tracing import NOTHING, configure_tracing, current_trace, operation_span, record, server_span, span

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def are_off() -> bool:
    spans = (server_span("POST", {"traceparent": TRACE}), span("mutation", begins=True), operation_span("a", TRACE, 1))
    record("wait", TRACE, 1, 2, {})
    return all(one is NOTHING for one in spans) and current_trace() is None


def test_without_a_configuration_nothing_is_recorded() -> None:
    configure_tracing("api")
    assert are_off()


def test_the_roles_do_not_import_what_records() -> None:
    """redis-py imports the part for metrics, if it is installed."""
    code = "import sys, app.entrypoints.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"app.otel", "opentelemetry.sdk.trace"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "expected otlp, console or none"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "reveille[otel]"),
    ],
)
def test_an_unusable_configuration_is_logged(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], hint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if hint == "reveille[otel]":
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as if the extra was not installed
    with structlog.testing.capture_logs() as lines:
        configure_tracing("api")
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("tracing_unavailable", "warning")
    assert hint in str(line)
    assert are_off()


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_the_standard_variables_turn_tracing_off(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configure_tracing("api")
    assert are_off()
