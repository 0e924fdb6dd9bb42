"""Typed reports of Leshan's responses: the result that an operation shows and the endpoint's new latest values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from app.domain.operations import OperationRequest
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue, TypedValue
from app.domain.verdicts import Report
from app.leshan.answers import MAX_DETAIL
from app.leshan.nodes import Decoded, InvalidNode, Models, decode_content

log = structlog.get_logger(__name__)


def report_of(request: OperationRequest, outcome: Outcome, models: Models) -> Report:
    """Return the report of a call made by Reveille."""
    return typed_report(request.path, outcome, models)


def typed_report(path: str | None, outcome: Outcome, models: Models) -> Report:
    """Return the report of a response about ``path`` (None: a composite), whether it came directly or as an event.

    A value that cannot be represented is left out of the response; the outcome's ``detail`` names its path and the
    reason.
    """
    if outcome.kind is not OutcomeKind.SUCCESS:
        return Report(outcome)
    decoded = decoded_content(path, outcome.content, models)
    if decoded.problems:
        outcome = replace(outcome, detail=_left_out(decoded.problems))
    return Report(outcome, answer=_answer(outcome, decoded.values), values=decoded.values)


def read_values(path: str | None, content: JsonValue, models: Models) -> Mapping[str, TypedValue]:
    """Return the values of a content by path; a value that cannot be read is logged and does not affect the others."""
    return decoded_content(path, content, models).values


def decoded_content(path: str | None, content: JsonValue, models: Models) -> Decoded:
    """Decode a content. Values that cannot be read are listed in ``problems``, and logged."""
    if content is None:
        return Decoded()
    try:
        decoded = decode_content(path, content, models)
    except InvalidNode as error:
        log.warning("content_unreadable", path=path, problem=str(error))
        return Decoded(problems=[f"the answer cannot be read: {error}"])
    if decoded.problems:
        log.warning("values_unreadable", path=path, problems=decoded.problems[:10])
    return decoded


def _left_out(problems: Sequence[str]) -> str:
    """Return the problems as one text of at most :data:`MAX_DETAIL` characters: those that do not fit are counted."""
    text = "left out of the answer: "
    for number, problem in enumerate(problems):
        rest = f"and {len(problems) - number} more"
        part = problem if number == 0 else f"; {problem}"
        if len(text) + len(part) + len(rest) + 2 > MAX_DETAIL:
            return f"{text}; {rest}"
        text += part
    return text


def _answer(outcome: Outcome, values: Mapping[str, TypedValue]) -> JsonValue:
    if outcome.location is not None:
        return {"location": "/" + outcome.location.lstrip("/")}
    if outcome.object_links is not None:
        return _links(outcome.object_links)
    return None if outcome.content is None else {path: typed.value for path, typed in values.items()}


def _links(links: Sequence[Mapping[str, JsonValue]]) -> list[JsonValue]:
    return [dict(link) for link in links]
