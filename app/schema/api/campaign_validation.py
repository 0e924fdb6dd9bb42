"""Validation of a campaign's input, and its conversion to a definition. Every error names the field by its GraphQL
path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

from app.domain.campaigns import (
    MAX_OPERATIONS,
    MAX_WAVES,
    Abort,
    CampaignDefinition,
    CampaignFirmware,
    CampaignOperation,
    DailyWindow,
    InvalidCampaign,
    Wave,
)
from app.domain.enums import DAY, FirmwareMethod, Instant
from app.domain.paths import MAX_ID
from app.schema.api.campaign_inputs import (
    CampaignAbortInput,
    CampaignFirmwareInput,
    CampaignInput,
    CampaignWaveInput,
    DailyWindowInput,
)
from app.schema.api.checks import checked_values, plain_text, within
from app.schema.api.filters import endpoint_criteria, given_filter
from app.schema.api.ids import NoSuchId, parse_package_id
from app.schema.api.input_validation import Defaults, operation_template
from app.schema.api.inputs import DeviceOperationTemplateInput
from app.schema.errors import ApiError, Code, bad_input, over_limit
from app.schema.limits import MAX_DAYS_AHEAD

object_instance: Final = within((0, MAX_ID - 1))
_REFUSED: Final = {
    "sequence": "the operations of a target are a sequence of their own",
    "supersede": "it could cancel operations of the same target",
    "not_before": "use `startAt` of the campaign",
}
"""Fields of a template that have no meaning in a campaign, and why."""


def campaign_definition(given: CampaignInput, defaults: Defaults, now: Instant) -> CampaignDefinition:
    """Return the campaign of an input.

    Raises:
        ApiError: BAD_USER_INPUT with ``field``; NOT_FOUND: the package's id is none; LIMIT_EXCEEDED: too many
            operations or waves.
    """
    name, criteria = plain_text(given.name, "name"), endpoint_criteria(given.filter)
    if (given.firmware is None) is (given.operations is None):
        field = "firmware" if given.firmware is None else "operations"
        raise bad_input("Exactly one of `firmware` and `operations` is expected.", field)
    _check_times(given, now)
    with _input_errors():
        return CampaignDefinition(
            name=name,
            given_filter=given_filter(given.filter),
            criteria={name: value for name, value in asdict(criteria).items() if value is not None},
            continuous=bool(given.continuous),
            firmware=None if given.firmware is None else _firmware(given.firmware),
            operations=() if given.operations is None else _operations(given.operations, defaults, now),
            waves=(Wave(100.0),) if given.waves is None else _waves(given.waves),
            abort=None if given.abort is None else _abort(given.abort),
            start_at=given.start_at,
            end_at=given.end_at,
            window=None if given.window is None else _window(given.window),
            **checked_values(given),
        )


def package_key(id_: str, field: str) -> int:
    """Return the id of a package's global id.

    Raises:
        ApiError: NOT_FOUND: it is none.
    """
    try:
        return parse_package_id(id_)
    except NoSuchId:
        raise ApiError(Code.NOT_FOUND, "Unknown firmware package.", field=field) from None


@contextmanager
def _input_errors(field: str | None = None) -> Iterator[None]:
    """Raise BAD_USER_INPUT for an InvalidCampaign. ``field`` is the path of the member of a list that is converted."""
    try:
        yield
    except InvalidCampaign as error:
        path = error.field if field is None else f"{field}.{error.field.rpartition('.')[2]}"
        raise bad_input(str(error), path) from None


def _check_times(given: CampaignInput, now: Instant) -> None:
    if given.start_at is not None and given.start_at > now + MAX_DAYS_AHEAD * DAY:
        raise bad_input(f"Time too late; at most {MAX_DAYS_AHEAD} days from now are expected.", "startAt")
    if given.end_at is not None and given.end_at <= now:
        raise bad_input("The time has passed; a time in the future is expected.", "endAt")


def _firmware(given: CampaignFirmwareInput) -> CampaignFirmware:
    return CampaignFirmware(
        package_key(given.package_id, "firmware.packageId"),
        given.method or FirmwareMethod.PULL,
        object_instance(given.object_instance_id or 0, "firmware.objectInstanceId"),
    )


def _operations(
    given: Sequence[DeviceOperationTemplateInput], defaults: Defaults, now: Instant
) -> tuple[CampaignOperation, ...]:
    if not given:
        raise bad_input("No operations; at least one is expected.", "operations")
    if len(given) > MAX_OPERATIONS:
        raise over_limit(f"Too many operations ({len(given)}); at most {MAX_OPERATIONS} are allowed.", MAX_OPERATIONS)
    return tuple(_operation(one, f"operations.{index}", defaults, now) for index, one in enumerate(given))


def _operation(given: DeviceOperationTemplateInput, field: str, defaults: Defaults, now: Instant) -> CampaignOperation:
    try:
        for name, reason in _REFUSED.items():
            if getattr(given, name) not in {None, False}:
                camel = "notBefore" if name == "not_before" else name
                raise bad_input(f"`{camel}` does not apply to a campaign; {reason}.", camel)
        template = operation_template(given, defaults, now)
    except ApiError as error:
        facts = dict(error.extensions or {})
        if (within_operation := facts.pop("field", None)) is not None:
            field = f"{field}.{within_operation}"
        raise ApiError(Code(facts.pop("code")), error.message, field=field, **facts) from None
    settings = {name: value for name, value in template.settings.items() if name not in _REFUSED}
    return CampaignOperation(request=template.request, fingerprint=template.fingerprint, **settings)


def _waves(given: Sequence[CampaignWaveInput]) -> tuple[Wave, ...]:
    if not given:
        raise bad_input("No waves; at least one is expected.", "waves")
    if len(given) > MAX_WAVES:
        raise over_limit(f"Too many waves ({len(given)}); at most {MAX_WAVES} are allowed.", MAX_WAVES)
    return tuple(_wave(one, f"waves.{index}") for index, one in enumerate(given))


def _wave(given: CampaignWaveInput, field: str) -> Wave:
    with _input_errors(field):
        return Wave(given.percent, given.min_success_percent or 0.0, bool(given.approve))


def _abort(given: CampaignAbortInput) -> Abort:
    return Abort(given.failure_percent, 10 if given.min_ended is None else given.min_ended)


def _window(given: DailyWindowInput) -> DailyWindow:
    return DailyWindow(given.from_, given.to, given.time_zone)
