"""GraphQL fields of observation rules: list, create, update, delete. The input is validated by itself here; the ledger
carries the rules out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import strawberry

from app.domain.observation_rules import covers, parse_pattern, pattern_text
from app.domain.paths import InvalidPath
from app.models.ledger import CreateObservationRule, DeleteObservationRule, RuleDefinition, UpdateObservationRule
from app.models.queries import observation_rule_by_id, observation_rules
from app.schema.api.checks import plain_text
from app.schema.api.context import Info
from app.schema.api.fields import mutation, resolved
from app.schema.api.filters import endpoint_criteria, given_filter
from app.schema.api.ids import NoSuchId, parse_rule_id
from app.schema.api.input_values import attributes
from app.schema.api.inputs import ObservationRuleInput
from app.schema.api.ledger_gateway import submit
from app.schema.api.types.observation import ObservationRule, rule_of
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import MAX_PATHS
from app.security import Role

RuleId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the rule. NOT_FOUND if there is none.")]


@strawberry.type
class ObservationRuleQuery:
    @resolved("Observation rules, sorted by name; at most 100 can exist.")
    async def observation_rules(self) -> list[ObservationRule] | None:
        return [rule_of(view) for view in await observation_rules()]


@strawberry.type
class ObservationRuleMutation:
    @mutation(
        "Create an observation rule, which is then applied to all registered endpoints that match its filter. CONFLICT "
        "with `extensions.id` if there is one of this name, LIMIT_EXCEEDED if there are 100.",
        Role.OPERATOR,
    )
    async def create_observation_rule(
        self,
        info: Info,
        input: Annotated[ObservationRuleInput, strawberry.argument(description="Rule to create.")],  # noqa: A002
    ) -> ObservationRule | None:
        command = CreateObservationRule(rule_definition(input), info.context.viewer.name)
        return await _rule(await submit(info.context, command))

    @mutation(
        "Replace the definition of an observation rule, and apply it: observations that it no longer wants are "
        "canceled, unless another rule wants them. CONFLICT if there is another one of this name.",
        Role.OPERATOR,
    )
    async def update_observation_rule(
        self,
        info: Info,
        id: RuleId,  # noqa: A002
        input: Annotated[  # noqa: A002
            ObservationRuleInput, strawberry.argument(description="New definition, as a whole.")
        ],
    ) -> ObservationRule | None:
        command = UpdateObservationRule(_rule_key(id), rule_definition(input))
        return await _rule(await submit(info.context, command))

    @mutation(
        "Delete an observation rule and return its id. Its observations are canceled, unless another rule wants them.",
        Role.OPERATOR,
    )
    async def delete_observation_rule(self, info: Info, id: RuleId) -> strawberry.ID | None:  # noqa: A002
        await submit(info.context, DeleteObservationRule(_rule_key(id)))
        return id


async def _rule(key: int) -> ObservationRule | None:
    view = await observation_rule_by_id(key)
    return rule_of(view) if view else None


def _rule_key(id_: str) -> int:
    try:
        return parse_rule_id(id_)
    except NoSuchId:
        raise ApiError(Code.NOT_FOUND, "Unknown observation rule.", field="id") from None


def rule_definition(given: ObservationRuleInput) -> RuleDefinition:
    """Return the rule of an input.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``; LIMIT_EXCEEDED: too many paths.
    """
    name, criteria = plain_text(given.name, "name"), endpoint_criteria(given.filter)
    paths, read_paths = _patterns(given.paths, "paths"), _patterns(given.read_paths, "readPaths")
    if not paths and not read_paths:
        raise bad_input("Missing paths; `paths` or `readPaths` is required.", "paths")
    if given.composite:
        _check_composite(paths)
    if given.attributes is not None and not paths:
        raise bad_input("`attributes` require `paths`.", "attributes")
    depth = min((len(parse_pattern(path)) for path in paths), default=1)
    return RuleDefinition(
        name=name,
        given_filter=given_filter(given.filter),
        criteria={name: value for name, value in asdict(criteria).items() if value is not None},
        paths=paths,
        composite=bool(given.composite),
        attributes={} if given.attributes is None else attributes(given.attributes, depth, "attributes"),
        read_paths=read_paths,
        enabled=given.enabled is not False,
    )


def _patterns(given: Sequence[str] | None, field: str) -> tuple[str, ...]:
    texts = given or ()
    if len(texts) > MAX_PATHS:
        raise over_limit(f"Too many paths ({len(texts)}) in `{field}`; at most {MAX_PATHS} are allowed.", MAX_PATHS)
    patterns: dict[str, None] = {}
    for index, text in enumerate(texts):
        try:
            pattern = pattern_text(parse_pattern(text))
        except InvalidPath as error:
            raise bad_input(str(error), f"{field}.{index}") from None
        if pattern in patterns:
            raise bad_input(f"Duplicate path {pattern}.", f"{field}.{index}")
        patterns[pattern] = None
    return tuple(patterns)


def _check_composite(paths: Sequence[str]) -> None:
    if not paths:
        raise bad_input("A composite observation requires `paths`.", "paths")
    parsed = [parse_pattern(path) for path in paths]
    for index, below in enumerate(parsed):
        above = next((one for one in parsed if covers(one, below)), None)
        if above is not None:
            message = (
                f"{pattern_text(below)} is part of {pattern_text(above)}; the paths of a composite must not overlap."
            )
            raise bad_input(message, f"paths.{index}")
