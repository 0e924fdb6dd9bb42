"""What Leshan answered, typed: the answer that an operation shows and the values that become the endpoint's latest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, TypedValue
from app.domain.verdicts import Report
from app.leshan.nodes import InvalidNode, Models, decode_content

log = structlog.get_logger(__name__)

NO_VALUES: Final[Mapping[str, TypedValue]] = {}


def report_of(request: OperationRequest, outcome: Outcome, models: Models) -> Report:
    """The report of a call of ours."""
    return typed_report(request.path, outcome, models)


def typed_report(path: str | None, outcome: Outcome, models: Models) -> Report:
    """The report of an answer about ``path`` (None: a composite), also of one that came as an event."""
    if outcome.kind is not OutcomeKind.SUCCESS:
        return Report(outcome)
    values = read_values(path, outcome.content, models)
    return Report(outcome, answer=_answer(outcome, values), values=values)


def read_values(path: str | None, content: JsonValue, models: Models) -> Mapping[str, TypedValue]:
    """The values of a content by path; one that cannot be read costs a log line, not its neighbours."""
    if content is None:
        return NO_VALUES
    try:
        decoded = decode_content(path, content, models)
    except InvalidNode as error:
        log.warning("content_unreadable", path=path, problem=str(error))
        return NO_VALUES
    if decoded.problems:
        log.warning("values_unreadable", path=path, problems=decoded.problems[:10])
    return decoded.values


def _answer(outcome: Outcome, values: Mapping[str, TypedValue]) -> JsonValue:
    if outcome.location is not None:
        return {"location": "/" + outcome.location.lstrip("/")}
    if outcome.object_links is not None:
        return _links(outcome.object_links)
    return {path: typed.value for path, typed in values.items()} or None


def _links(links: Sequence[Mapping[str, JsonValue]]) -> list[JsonValue]:
    return [dict(link) for link in links]
