"""Options that several commands share, and their GraphQL equivalents."""

from __future__ import annotations

import base64
import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Final, TypeAlias

import typer

Url: TypeAlias = Annotated[
    str, typer.Option("--url", envvar="REVEILLE_URL", help="Address of a running Reveille.", metavar="URL")
]
Token: TypeAlias = Annotated[
    str | None, typer.Option("--token", envvar="REVEILLE_TOKEN", help="Access token, if the server requires one.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Confirmed: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Expected: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--expect", min=0, help="Proceed without confirmation, only if exactly this number of operations matches."
    ),
]
Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(help="Operation ids.", metavar="id")]
DEFAULT_URL: Final = "http://127.0.0.1:8000"


Command: TypeAlias = Callable[..., None]
Filter: TypeAlias = dict[str, Any]
"""Fields of a ``DeviceOperationFilter`` or an ``EndpointFilter``, or arguments of a subscription."""

_SCALARS: Final[Mapping[str, type]] = {"String": str, "ID": str, "DateTime": str, "Int": int, "Boolean": bool}
"""GraphQL types whose values are passed on unchanged, and the types of their options; all others are enums."""


@dataclass(frozen=True, slots=True)
class FilterOption:
    """An option that limits a command to some operations or endpoints, and the GraphQL field or argument that receives
    its value.

    Attributes:
        type: type of the field in GraphQL; an option whose field is a list may be repeated.
    """

    field: str
    type: str
    names: tuple[str, ...]
    help: str

    def parameter(self) -> inspect.Parameter:
        """Return the parameter from which Typer makes the option."""
        one = _SCALARS.get(self.type.strip("[!]"), str)
        accepted = list[one] if self.type.startswith("[") else one  # type: ignore[valid-type]
        annotation = Annotated[accepted | None, typer.Option(*self.names, help=self.help)]  # type: ignore[valid-type]
        return inspect.Parameter(self.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)

    def value(self, given: Any) -> Any:
        """Return the field's value. Enum values are accepted in lower case, too."""
        if self.type.strip("[!]") in _SCALARS:
            return given
        return [name.upper() for name in given] if isinstance(given, list) else given.upper()


STATUS: Final = FilterOption("statuses", "[OperationStatus!]", ("--status", "-s"), "QUEUED, SENDING, ..; repeatable.")
OPERATION_FILTER: Final = (
    FilterOption("endpoints", "[String!]", ("--endpoint", "-e"), "Only of this endpoint; repeatable."),
    STATUS,
    FilterOption("kinds", "[OperationKind!]", ("--kind", "-k"), "READ, WRITE, ..; repeatable."),
    FilterOption(
        "reasons", "[ReasonCode!]", ("--reason", "-r"), "Reason of the last transition, like NO_ANSWER; repeatable."
    ),
    FilterOption("batch", "String", ("--batch", "-b"), "Only of this batch."),
    FilterOption("createdBy", "String", ("--created-by",), "Created by the caller of this name."),
    FilterOption("pathPrefix", "String", ("--path", "-p"), "At or below this path: /3 is object 3."),
    FilterOption(
        "createdAfter",
        "DateTime",
        ("--created-after",),
        "Created after this time (RFC 3339, like 2026-11-23T10:00:00Z).",
    ),
    FilterOption("createdBefore", "DateTime", ("--created-before",), "Created before this time."),
)
"""The fields of ``DeviceOperationFilter``: a new filter is one more entry."""

QUEUED_FILTER: Final = tuple(option for option in OPERATION_FILTER if option is not STATUS)
"""The filter of commands that apply to QUEUED operations only."""

ENDPOINT_FILTER: Final = (
    FilterOption("nameContains", "String", ("--name-contains",), "Endpoints whose names contain this text."),
    FilterOption("presences", "[Presence!]", ("--presence",), "ONLINE, ASLEEP or OFFLINE; repeatable."),
    FilterOption("tags", "[String!]", ("--tag",), "Has this tag; repeatable: has all of them."),
    FilterOption("objectId", "Int", ("--object",), "Has registered this object, like 3303."),
    FilterOption("lastSeenAfter", "DateTime", ("--seen-after",), "Last seen after this time (RFC 3339)."),
    FilterOption("lastSeenBefore", "DateTime", ("--seen-before",), "Last seen before this time."),
    FilterOption("hasPending", "Boolean", ("--pending/--no-pending",), "Has operations that have not ended, or none."),
    FilterOption("overdue", "Boolean", ("--overdue/--no-overdue",), "Is overdue, or is not."),
)
"""The fields of ``EndpointFilter``, but for ``names``, which are arguments of the commands."""

TRANSITION_FILTER: Final = (
    FilterOption("endpoint", "String", ("--endpoint", "-e"), "Only of this endpoint."),
    FilterOption("toStatuses", "[OperationStatus!]", ("--to",), "Only transitions to this status; repeatable."),
)
"""The arguments of the subscription ``operationTransitions``."""

UPDATE_FILTER: Final = (
    FilterOption("endpoint", "String", ("--endpoint", "-e"), "Only of this endpoint."),
    FilterOption("states", "[FirmwareUpdateState!]", ("--state", "-s"), "QUEUED, PREPARING, ..; repeatable."),
)
"""The arguments of the query ``firmwareUpdates``."""

CAMPAIGN_FILTER: Final = (
    FilterOption("statuses", "[CampaignStatus!]", ("--status", "-s"), "SCHEDULED, RUNNING, ..; repeatable."),
)
"""The arguments of the query ``campaigns``."""

TARGET_FILTER: Final = (
    FilterOption("states", "[CampaignTargetState!]", ("--state", "-s"), "WAITING, RUNNING, ..; repeatable."),
)
"""The arguments of ``targets`` of a campaign."""


def filtered_by(options: Sequence[FilterOption]) -> Callable[[Command], Command]:
    """Replace a command's parameter ``criteria`` with these options. The command receives the fields of those given."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**arguments: Any) -> None:
            given = ((option, arguments.pop(option.field)) for option in options)
            criteria = {option.field: option.value(value) for option, value in given if value not in (None, [])}
            command(criteria=criteria, **arguments)

        signature = inspect.signature(command, eval_str=True)
        parameters = _with_options(signature.parameters.values(), options)
        run.__signature__ = signature.replace(parameters=list(parameters))  # type: ignore[attr-defined]
        return run

    return decorate


def _with_options(
    parameters: Iterable[inspect.Parameter], options: Sequence[FilterOption]
) -> Iterator[inspect.Parameter]:
    for parameter in parameters:
        if parameter.name == "criteria":
            yield from (option.parameter() for option in options)
        else:
            yield parameter


def global_id(text: str) -> str:
    """Return an operation's id in the API's form: log lines have the UUID within it."""
    try:
        return base64.b64encode(f"DeviceOperation:{uuid.UUID(text)}".encode()).decode()
    except ValueError:
        return text


def is_global_id(text: str, type_name: str) -> bool:
    """Return whether the text is a global id of this type, and not a name."""
    try:
        return base64.b64decode(text, validate=True).startswith(f"{type_name}:".encode())
    except ValueError:
        return False
