"""The answer to a delayed request that came before our commit of "delayed": what has to survive of it until then."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, TypedValue
from app.domain.verdicts import Report


def report_to_json(report: Report) -> dict[str, JsonValue]:
    """What has to survive of an early answer until the operation it belongs to is known."""
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


def report_from_json(kept: Mapping[str, JsonValue]) -> Report:
    """The reverse of :func:`report_to_json`."""
    outcome = Outcome(
        OutcomeKind[kept["kind"]],
        device_code=kept["device_code"],
        device_status=kept["device_status"],
        detail=kept["detail"],
    )
    values = {path: TypedValue.from_json(value) for path, value in kept["values"].items()}
    return Report(outcome, answer=kept["answer"], values=values, at=kept.get("at"))
