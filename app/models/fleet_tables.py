"""The tables of fleet work: firmware packages, firmware updates and campaigns. ``app.models.tables`` declares them
together with all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from app.domain.enums import CampaignStatus, CampaignTargetState, FirmwareMethod, FirmwareUpdateState
from app.models.table_fields import InstantField, JsonField

if TYPE_CHECKING:
    from app.models.tables import Endpoint, LeshanServer


class FirmwarePackage(Model):
    """A firmware package. ``uri`` is where devices download it, null if it was uploaded: then Reveille serves it.

    ``key`` is random: devices that know it may download the package, because they cannot authenticate. ``retired_at``
    is when it was removed from the list: its updates still name it.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=255)
    version = fields.CharField(max_length=255)
    uri = fields.TextField(null=True)
    size = fields.BigIntField(null=True)
    sha256 = fields.CharField(max_length=64, null=True)
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)
    key = fields.CharField(max_length=64)
    retired_at: fields.Field[int | None] = InstantField(null=True)

    class Meta:
        table = "firmware_package"


class FirmwareUpdate(Model):
    """The update of one device's firmware (``app.domain.firmware``).

    ``step`` is what is being done in the state since ``step_at``, ``operation`` the ``seq`` of the operation of that
    step. ``since`` is when the state was entered, ``deadline`` when it fails. ``due_at`` is when to look at it next: at
    once when an operation of it has ended or its device reported something. Readings up to ``seen_seq`` were taken into
    account, and the registration ``registration``; ``observed_under`` and ``executed_under`` are those in which the
    device was observed and the installation requested. ``attempts`` counts deliveries, ``executions`` requests to
    install, ``tries`` repetitions within the present state.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField(
        "models.Endpoint", related_name="firmware_updates", on_delete=fields.CASCADE
    )
    package: fields.ForeignKeyRelation[FirmwarePackage] = fields.ForeignKeyField(
        "models.FirmwarePackage", on_delete=fields.RESTRICT
    )
    target_id = fields.BigIntField(null=True)
    method = fields.CharEnumField(FirmwareMethod, max_length=4)
    object_instance = fields.IntField()
    state = fields.CharEnumField(FirmwareUpdateState, max_length=11)
    step = fields.CharField(max_length=24, null=True)
    step_at: fields.Field[int] = InstantField()
    operation = fields.BigIntField(null=True)
    device_state = fields.IntField(null=True)
    update_result = fields.IntField(null=True)
    version_before = fields.CharField(max_length=255, null=True)
    version_after = fields.CharField(max_length=255, null=True)
    attempts = fields.SmallIntField(default=0)
    executions = fields.SmallIntField(default=0)
    tries = fields.SmallIntField(default=0)
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)
    since: fields.Field[int] = InstantField()
    deadline: fields.Field[int | None] = InstantField(null=True)
    due_at: fields.Field[int | None] = InstantField(null=True)
    seen_seq = fields.BigIntField(default=0)
    registration = fields.CharField(max_length=255, null=True)
    observed_under = fields.CharField(max_length=255, null=True)
    executed_under = fields.CharField(max_length=255, null=True)
    finished_at: fields.Field[int | None] = InstantField(null=True)
    reason = fields.CharField(max_length=32, null=True)
    detail = fields.TextField(null=True)

    class Meta:
        table = "firmware_update"


class Campaign(Model):
    """The same work for many endpoints: a firmware update (``package_id``) or ``operations`` one after the other.

    Targets are numbered from 1 in the order of names while they are listed (``listed_up_to``, until ``listed_at``);
    ``waves`` is as given, ``wave_ends`` the number of the last target of each. ``wave_accepted`` is the last wave at
    whose end the campaign stopped: to resume or approve it accepts the wave. FAILED and CANCELED targets that changed
    up to ``retry_before`` begin again. ``next_start_at`` limits the rate of starts, ``due_at`` is when to look at the
    campaign next. Targets are counted by state.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    server: fields.ForeignKeyRelation[LeshanServer] = fields.ForeignKeyField(
        "models.LeshanServer", on_delete=fields.RESTRICT
    )
    name = fields.CharField(max_length=255)
    status = fields.CharEnumField(CampaignStatus, max_length=20)
    reason = fields.TextField(null=True)
    given_filter = JsonField()
    criteria = JsonField()
    continuous = fields.BooleanField()
    package: fields.ForeignKeyNullableRelation[FirmwarePackage] = fields.ForeignKeyField(
        "models.FirmwarePackage", on_delete=fields.RESTRICT, null=True
    )
    method = fields.CharEnumField(FirmwareMethod, max_length=4, null=True)
    object_instance = fields.IntField(null=True)
    operations = JsonField(null=True)
    waves = JsonField()
    wave_ends = JsonField(null=True)
    wave = fields.SmallIntField(default=1)
    wave_accepted = fields.SmallIntField(default=0)
    starts_per_minute = fields.IntField(null=True)
    max_running = fields.IntField(null=True)
    abort_percent = fields.FloatField(null=True)
    abort_min_ended = fields.IntField(null=True)
    start_at: fields.Field[int | None] = InstantField(null=True)
    end_at: fields.Field[int | None] = InstantField(null=True)
    daily_window = JsonField(null=True)
    retries = fields.SmallIntField(default=0)
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)
    started_at: fields.Field[int | None] = InstantField(null=True)
    finished_at: fields.Field[int | None] = InstantField(null=True)
    listed_up_to = fields.CharField(max_length=255, null=True)
    listed_at: fields.Field[int | None] = InstantField(null=True)
    retry_before: fields.Field[int | None] = InstantField(null=True)
    next_start_at: fields.Field[int | None] = InstantField(null=True)
    due_at: fields.Field[int | None] = InstantField(null=True)
    waiting = fields.IntField(default=0)
    running = fields.IntField(default=0)
    succeeded = fields.IntField(default=0)
    failed = fields.IntField(default=0)
    canceled = fields.IntField(default=0)
    skipped = fields.IntField(default=0)

    class Meta:
        table = "campaign"
        unique_together = (("server", "name"),)


class CampaignTarget(Model):
    """One endpoint of a campaign. ``number`` is its place in the order of starts; ``attempts`` counts its starts.

    ``work`` is the firmware update or, of a campaign of operations, the first operation of the newest attempt.
    ``due_at`` is set when an operation of it has ended; of one that waits, it is when to try again to begin it.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    campaign: fields.ForeignKeyRelation[Campaign] = fields.ForeignKeyField("models.Campaign", on_delete=fields.CASCADE)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField(
        "models.Endpoint", related_name="campaign_targets", on_delete=fields.CASCADE
    )
    number = fields.IntField()
    state = fields.CharEnumField(CampaignTargetState, max_length=9)
    attempts = fields.SmallIntField(default=0)
    work = fields.BigIntField(null=True)
    detail = fields.TextField(null=True)
    changed_at: fields.Field[int] = InstantField()
    due_at: fields.Field[int | None] = InstantField(null=True)

    class Meta:
        table = "campaign_target"
        unique_together = (("campaign", "endpoint"), ("campaign", "number"))


class CampaignChange(Model):
    """A change of a campaign (``target_id`` null) or of one of its targets: the log that subscribers follow."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    campaign: fields.ForeignKeyRelation[Campaign] = fields.ForeignKeyField("models.Campaign", on_delete=fields.CASCADE)
    target_id = fields.BigIntField(null=True)
    at: fields.Field[int] = InstantField()

    class Meta:
        table = "campaign_change"
