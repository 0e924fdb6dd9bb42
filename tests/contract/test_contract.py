"""Everything that the contract names exists in the schema: same names, types, nullability, defaults and enum values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from graphql import (
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    parse,
    print_ast,
)

from app.schema.execution.sdl import export

CONTRACT = Path(__file__).with_name("contract.graphql").read_text()


def definitions(text: str) -> dict[str, TypeDefinitionNode]:
    return {node.name.value: node for node in parse(text).definitions if isinstance(node, TypeDefinitionNode)}


OURS = definitions(export())
THEIRS = definitions(CONTRACT)


@pytest.mark.parametrize("name", THEIRS)
def test_a_type_of_the_contract_is_unchanged(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    assert type(ours) is type(theirs)
    missing = set(facts(theirs)) - set(facts(ours))
    assert not missing


def facts(node: TypeDefinitionNode) -> Iterator[str]:
    """Yield every fact that a client can rely on, as a line of text."""
    yield from (f"@{directive.name.value}" for directive in node.directives or ())
    match node:
        case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
            yield from (f"implements {interface.name.value}" for interface in node.interfaces or ())
            yield from (line for field in node.fields or () for line in field_facts(field))
        case InputObjectTypeDefinitionNode():
            yield from (input_fact(field) for field in node.fields or ())
        case EnumTypeDefinitionNode():
            yield from (value.name.value for value in node.values or ())
        case _:
            assert isinstance(node, ScalarTypeDefinitionNode)


def field_facts(field: FieldDefinitionNode) -> Iterator[str]:
    yield f"{field.name.value}: {print_ast(field.type)}"
    yield from (f"{field.name.value}({input_fact(argument)})" for argument in field.arguments or ())


def input_fact(value: InputValueDefinitionNode) -> str:
    default = "" if value.default_value is None else f" = {print_ast(value.default_value)}"
    return f"{value.name.value}: {print_ast(value.type)}{default}"


def required_inputs(nodes: Mapping[str, TypeDefinitionNode]) -> set[str]:
    """Return the arguments and input fields that a client must provide."""
    found = set()
    for name, node in nodes.items():
        values: list[tuple[str, InputValueDefinitionNode]] = []
        if isinstance(node, InputObjectTypeDefinitionNode):
            values = [(name, field) for field in node.fields or ()]
        elif isinstance(node, ObjectTypeDefinitionNode):
            values = [
                (f"{name}.{field.name.value}", value) for field in node.fields or () for value in field.arguments or ()
            ]
        found |= {
            f"{place}.{value.name.value}"
            for place, value in values
            if value.default_value is None and print_ast(value.type).endswith("!")
        }
    return found


def named_fields(nodes: Mapping[str, TypeDefinitionNode]) -> set[str]:
    """Return the fields of object types, and the input types: the parents of arguments and input fields."""
    fields = {
        f"{name}.{field.name.value}" for name, node in nodes.items() for field in getattr(node, "fields", None) or ()
    }
    return fields | {name for name, node in nodes.items() if isinstance(node, InputObjectTypeDefinitionNode)}


def test_no_argument_is_required_that_the_contract_omits() -> None:
    """Compare only the fields and input types that the contract names: an unknown field may require any argument."""
    known = named_fields(THEIRS)
    assert {one for one in required_inputs(OURS) if one.rpartition(".")[0] in known} == required_inputs(THEIRS)


def described(nodes: Mapping[str, TypeDefinitionNode]) -> Iterator[tuple[str, bool]]:
    for name, node in nodes.items():
        yield name, node.description is not None
        for part in getattr(node, "fields", None) or getattr(node, "values", None) or ():
            yield f"{name}.{part.name.value}", part.description is not None
            for argument in getattr(part, "arguments", None) or ():
                yield f"{name}.{part.name.value}({argument.name.value})", argument.description is not None


def test_every_type_field_argument_and_value_has_a_description() -> None:
    assert [name for name, there in described(OURS) if not there] == []
