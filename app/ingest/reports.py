"""Typed reports of Leshan's responses: the result that an operation shows and the endpoint's new latest values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from app.domain.object_models import Models
from app.domain.outcomes import Outcome, OutcomeKind
from app.domain.values import JsonValue
from app.domain.verdicts import Report
from app.leshan.answers import MAX_DETAIL
from app.leshan.nodes import Decoded, InvalidNode, decode_content

log = structlog.get_logger(__name__)


def report_of(path: str | None, outcome: Outcome, models: Models) -> Report:
    """Return the report of a response about ``path`` (None: a composite), whether it came directly or as an event.

    A value that cannot be represented is left out of the response; the outcome's ``detail`` names its path and the
    reason.
    """
    if outcome.kind is not OutcomeKind.SUCCESS:
        return Report(outcome)
    decoded = Decoded()
    answer: JsonValue = None
    if outcome.content is not None:
        try:
            decoded = decode_content(path, outcome.content, models)
        except InvalidNode as error:
            log.warning("content_unreadable", path=path, problem=str(error))
            decoded.problems.append(f"the answer cannot be read: {error}")
    if decoded.problems:
        outcome = replace(outcome, detail=_left_out(decoded.problems))
    if outcome.location is not None:
        answer = {"location": "/" + outcome.location.lstrip("/")}
    elif outcome.object_links is not None:
        answer = [dict(link) for link in outcome.object_links]
    elif outcome.content is not None:
        answer = {key: typed.value for key, typed in decoded.values.items()}
    return Report(outcome, answer=answer, values=decoded.values)


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
