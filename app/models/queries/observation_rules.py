"""Observation rules, how many observations of each are in which state, and those of endpoints."""

# ruff: noqa: S608 - every interpolated name is a constant of this project

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

from app.domain.enums import Instant, ObservationState
from app.domain.observation_rules import Target
from app.models.fields import load_json
from app.models.ledger.observations import REPORTS, Report, last_report
from app.models.queries.access import fetch
from app.models.queries.views import Row, columns


@dataclass(slots=True)
class RuleView:
    """An observation rule; JSON as it is stored."""

    id: int
    name: str
    given_filter_json: str
    paths_json: str
    composite: bool
    attributes_json: str | None
    read_paths_json: str
    enabled: bool
    created_at: Instant
    created_by: str | None

    @classmethod
    def load(cls, row: Row) -> Self:
        view = cls(*row)
        view.composite, view.enabled = bool(view.composite), bool(view.enabled)
        return view


@dataclass(slots=True)
class ObservationView:
    """How far a rule is on an endpoint. ``last_report_at`` is the time of the latest value below one of its paths."""

    rule: RuleView
    endpoint_id: int
    paths: list[str]
    state: ObservationState
    since: Instant
    operation: int | None
    detail: str | None
    last_report_at: Instant | None = None


_RULE: Final = columns(RuleView, "r")
_WIDTH: Final = len(fields(RuleView))
OF_ENDPOINTS: Final = f"""
    SELECT {_RULE}, o.endpoint_id, o.targets, o.state, o.since, o.operation, o.detail
    FROM observation o JOIN observation_rule r ON r.id = o.rule_id
    WHERE o.endpoint_id = ANY($1::bigint[]) ORDER BY r.name
"""
COUNTS: Final = """
    SELECT rule_id, state, count(*) FROM observation WHERE rule_id = ANY($1::bigint[]) GROUP BY rule_id, state
"""


async def observation_rules() -> list[RuleView]:
    """Return all rules, by name.

    Raises:
        ReadUnavailable: the database cannot be reached.
    """
    return [RuleView.load(row) for row in await fetch(f"SELECT {_RULE} FROM observation_rule r ORDER BY r.name")]


async def observation_rule_by_id(id_: int) -> RuleView | None:
    """Return a rule by its id."""
    rows = await fetch(f"SELECT {_RULE} FROM observation_rule r WHERE r.id = $1", [id_])
    return RuleView.load(rows[0]) if rows else None


async def observation_counts(rule_ids: Collection[int]) -> Mapping[int, Counter[ObservationState]]:
    """Return the number of endpoints in each state, by rule."""
    counts: dict[int, Counter[ObservationState]] = {rule_id: Counter() for rule_id in rule_ids}
    for rule_id, state, count in map(tuple, await fetch(COUNTS, [list(rule_ids)])):
        counts[rule_id][ObservationState(state)] = count
    return counts


async def observations_of(endpoint_ids: Collection[int], *, reports: bool) -> dict[int, list[ObservationView]]:
    """Return the observations of endpoints, by rule name; with ``reports`` the time of the last report of each."""
    found: dict[int, list[ObservationView]] = {id_: [] for id_ in endpoint_ids}
    for row in await fetch(OF_ENDPOINTS, [list(endpoint_ids)]):
        view = _observation(row)
        found[view.endpoint_id].append(view)
    if reports:
        await _add_reports(found)
    return found


def _observation(row: Row) -> ObservationView:
    endpoint_id, targets, state, since, operation, detail = tuple(row)[_WIDTH:]
    paths = sorted({path for key in load_json(targets) for path in Target.of_key(key).paths})
    return ObservationView(
        RuleView.load(tuple(row)[:_WIDTH]), endpoint_id, paths, ObservationState(state), since, operation, detail
    )


async def _add_reports(found: Mapping[int, Collection[ObservationView]]) -> None:
    reports: dict[int, list[Report]] = {id_: [] for id_, views in found.items() if views}
    for endpoint_id, *report in map(tuple, await fetch(REPORTS, [list(reports)]) if reports else ()):
        reports[endpoint_id].append(Report(*report))
    for id_, of_endpoint in reports.items():
        for view in found[id_]:
            view.last_report_at = last_report(view.paths, of_endpoint)
