"""Responses to delayed requests that arrive before the ledger commits the delay: the part that is stored until then."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, TypedValue
from app.domain.verdicts import Report


def report_to_json(report: Report) -> dict[str, JsonValue]:
    """Serialize an early response, to be stored until its operation is known."""
    outcome = report.outcome
    return {
        "kind": outcome.kind.name,
        "device_code": outcome.device_code,
        "device_status": outcome.device_status,
        "detail": outcome.detail,
        "answer": report.answer,
        "values": {path: typed.as_json() for path, typed in report.values.items()},
        "at": report.at,
    }


def report_from_json(stored: Mapping[str, JsonValue]) -> Report:
    """Deserialize a report: the inverse of :func:`report_to_json`."""
    outcome = Outcome(
        OutcomeKind[stored["kind"]],
        device_code=stored["device_code"],
        device_status=stored["device_status"],
        detail=stored["detail"],
    )
    values = {path: TypedValue.from_json(value) for path, value in stored["values"].items()}
    return Report(outcome, answer=stored["answer"], values=values, at=stored.get("at"))
