"""GraphQL input types of campaigns. ``campaign_validation.py`` validates a campaign as a whole."""

from __future__ import annotations

import strawberry

from app.schema.api.checks import checked_field
from app.schema.api.enums import FirmwareMethod
from app.schema.api.inputs import DeviceOperationTemplateInput, EndpointFilter
from app.schema.api.scalars import DateTime


@strawberry.input(description="The firmware update of each target of a campaign.")
class CampaignFirmwareInput:
    package_id: strawberry.ID = strawberry.field(description="Global id of the package. NOT_FOUND if there is none.")
    method: FirmwareMethod | None = strawberry.field(
        default=FirmwareMethod.PULL, description="As the argument of `updateFirmware`. Default: PULL."
    )
    object_instance_id: int | None = strawberry.field(
        default=0, description="Instance of the Firmware Update object, 0 to 65534. Default: 0."
    )


@strawberry.input(
    description="A share of a campaign's targets, in the order of endpoint names. The next wave begins when all "
    "targets of this one have ended, with enough success, and after approval if it is required."
)
class CampaignWaveInput:
    percent: float = strawberry.field(
        description="Share of all targets in percent, above 0; those of all waves add up to 100."
    )
    min_success_percent: float | None = strawberry.field(
        default=0,
        description="Share of the wave's targets in percent, 0 to 100, that must have SUCCEEDED, SKIPPED ones not "
        "counted; with less, the campaign is PAUSED. Default: 0.",
    )
    approve: bool | None = strawberry.field(
        default=False, description="Whether the next wave begins only after `approveCampaignWave`. Default: false."
    )


@strawberry.input(description="When too many failures abort a campaign.")
class CampaignAbortInput:
    failure_percent: float = strawberry.field(
        description="Share in percent, above 0 and up to 100, of the targets that have SUCCEEDED or FAILED: once as "
        "many of them are FAILED, the campaign is ABORTED. Each endpoint counts once, whatever its attempts."
    )
    min_ended: int | None = strawberry.field(
        default=10, description="Number of targets, 1 or more, that must have ended before. Default: 10."
    )


@strawberry.input(description="Hours of each day within which targets begin.")
class DailyWindowInput:
    from_: str = strawberry.field(name="from", description='Local start time, for example "22:00".')
    to: str = strawberry.field(
        description='Local end time, exclusive, for example "05:00"; before `from`, it is on the next day.'
    )
    time_zone: str = strawberry.field(
        description='Name of the time zone in the IANA database, for example "Europe/Berlin". Changes of its offset '
        "are observed."
    )


@strawberry.input(
    description="The same work for many endpoints: either a firmware update, or operations one after the other."
)
class CampaignInput:
    name: str = strawberry.field(description="Unique name, 1 to 255 characters.")
    filter: EndpointFilter = strawberry.field(
        description="Criteria for the endpoints; an empty filter selects all. They are evaluated when the campaign "
        "begins; those of a continuous one once a minute while it runs."
    )
    continuous: bool | None = strawberry.field(
        default=False, description="Whether endpoints that match later join while it runs. Default: false."
    )
    firmware: CampaignFirmwareInput | None = strawberry.field(
        default=None, description="Firmware update of each target. Either this or `operations` is required."
    )
    operations: list[DeviceOperationTemplateInput] | None = strawberry.field(
        default=None,
        description="Operations of each target, 1 to 20, each sent only after the one before was CONFIRMED. They are "
        "not checked against the object models of the devices. `sequence`, `supersede` and `notBefore` do not apply.",
    )
    waves: list[CampaignWaveInput] | None = strawberry.field(
        default=None, description="Waves, 1 to 100. Default: one of all targets."
    )
    starts_per_minute: int | None = checked_field(
        description="Maximum number of targets that begin in a minute, 1 to 60,000, evenly spread. Default: no limit.",
    )
    max_running: int | None = checked_field(
        description="Maximum number of targets that are RUNNING at a time, 1 to 1,000,000. Default: no limit.",
    )
    abort: CampaignAbortInput | None = strawberry.field(
        default=None, description="When too many failures abort the campaign. Default: never."
    )
    start_at: DateTime | None = strawberry.field(
        default=None, description="Start time, at most ten years ahead. Default, also for a time in the past: now."
    )
    end_at: DateTime | None = strawberry.field(
        default=None,
        description="Time in the future and after `startAt` at which targets that have not begun become SKIPPED. "
        "Default: none.",
    )
    window: DailyWindowInput | None = strawberry.field(
        default=None, description="Hours of each day within which targets begin. Default: always."
    )
    retries: int | None = checked_field(
        default=0,
        description="Number of times that a target that failed is tried again, 0 to 10. Default: 0.",
    )
