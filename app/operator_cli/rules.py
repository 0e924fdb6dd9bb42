"""``reveille rules``: list, show and change observation rules by their names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api
from app.operator_cli.tables import echo, print_json, show, table

Rule = dict[str, Any]
_INPUT: Final = ("name", "filter", "paths", "composite", "attributes", "readPaths", "enabled")


def listing(api: Api, *, as_json: bool) -> None:
    """List all rules with the number of endpoints by state."""
    found = api.execute(documents.RULES)["observationRules"]
    if as_json:
        print_json(found)
        return
    columns = ("name", "enabled", "filter", "observes", "reads", "attributes", "endpoints")
    show(table("observation rules", columns, map(_row, found)))


def showing(api: Api, name: str, *, as_json: bool) -> None:
    """Show one rule."""
    _print(_rule(api, name), as_json=as_json)


def create(api: Api, given: Rule, *, as_json: bool) -> None:
    """Create a rule."""
    _print(api.execute(documents.CREATE_RULE, input=given)["createObservationRule"], as_json=as_json)


def update(api: Api, name: str, changes: Rule, *, as_json: bool) -> None:
    """Change the given fields of a rule; the others remain."""
    known = _rule(api, name)
    given = {**{field: known[field] for field in _INPUT}, **changes}
    _print(api.execute(documents.UPDATE_RULE, id=known["id"], input=given)["updateObservationRule"], as_json=as_json)


def delete(api: Api, name: str, *, as_json: bool) -> None:
    """Delete a rule."""
    id_ = api.execute(documents.DELETE_RULE, id=_rule(api, name)["id"])["deleteObservationRule"]
    if as_json:
        print_json({"id": id_})
    else:
        echo(f"deleted: {name}; its observations are canceled")


def attributes_of(texts: Iterable[str]) -> Rule:
    """Return an ``AttributesInput`` from texts like ``pmax=300``.

    Raises:
        CommandError: not a name and a number.
    """
    attributes: Rule = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            attributes[name.strip()] = json.loads(number)
        except json.JSONDecodeError:
            raise CommandError(f"--attribute: invalid attribute {text!r}; expected for example pmax=300", 2) from None
    return attributes


def _rule(api: Api, name: str) -> Rule:
    for rule in api.execute(documents.RULES)["observationRules"]:
        if name in {rule["name"], rule["id"]}:
            return dict(rule)
    raise CommandError(f"{name}: unknown observation rule; see: reveille rules list")


def _print(rule: Rule, *, as_json: bool) -> None:
    if as_json:
        print_json(rule)
        return
    facts = {**rule, "counts": _counts(rule)}
    rows = [(field, fact if isinstance(fact, str) else json.dumps(fact)) for field, fact in facts.items()]
    show(table("observation rule", ("field", "value"), rows))


def _row(rule: Mapping[str, Any]) -> list[str]:
    attributes = ", ".join(f"{name}={value}" for name, value in (rule["attributes"] or {}).items())
    paths = ", ".join(rule["paths"]) + (" (composite)" if rule["composite"] else "")
    enabled = "yes" if rule["enabled"] else "no"
    return [
        *(rule["name"], enabled, json.dumps(rule["filter"]), paths, ", ".join(rule["readPaths"])),
        *(attributes, _counts(rule)),
    ]


def _counts(rule: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['count']} {one['state']}" for one in rule["counts"] if one["count"]) or "none"
