"""The tables, as Tortoise models. Only the ledger writes them; all other modules may read them.

The migrations in ``migrations/`` create these tables (a test compares both). Every ``seq`` is drawn from the single
counter in ``ledger_head`` under the append lock, so their order is the order of commits, the only one ever used.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from app.domain.enums import (
    ContentFormat,
    Delivery,
    OperationKind,
    OperationStatus,
    Presence,
    ReasonCode,
    ValueType,
)
from app.models.access_tables import ApiToken as ApiToken  # noqa: PLC0414 - Tortoise looks for models here
from app.models.access_tables import AuditEvent as AuditEvent  # noqa: PLC0414
from app.models.counter_table import LedgerCounter as LedgerCounter  # noqa: PLC0414
from app.models.fleet_tables import Campaign as Campaign  # noqa: PLC0414
from app.models.fleet_tables import CampaignChange as CampaignChange  # noqa: PLC0414
from app.models.fleet_tables import CampaignTarget as CampaignTarget  # noqa: PLC0414
from app.models.fleet_tables import FirmwarePackage as FirmwarePackage  # noqa: PLC0414
from app.models.fleet_tables import FirmwareUpdate as FirmwareUpdate  # noqa: PLC0414
from app.models.receipt_tables import EarlyResponse as EarlyResponse  # noqa: PLC0414
from app.models.receipt_tables import WebhookDelivery as WebhookDelivery  # noqa: PLC0414
from app.models.rule_tables import Observation as Observation  # noqa: PLC0414
from app.models.rule_tables import ObservationRule as ObservationRule  # noqa: PLC0414
from app.models.table_fields import InstantField, JsonField


class LedgerHead(Model):
    """One row: the log's last number (``seq``), the number up to which it has been pruned (``horizon``, of readings
    ``reading_horizon``), and the number up to which readings are counted in the hourly aggregates (``aggregated``)."""

    id = fields.SmallIntField(primary_key=True, generated=False)
    seq = fields.BigIntField()
    horizon = fields.BigIntField()
    reading_horizon = fields.BigIntField(default=0)
    aggregated = fields.BigIntField(default=0)

    class Meta:
        table = "ledger_head"


class LeshanServer(Model):
    """One Leshan server: its breaker, the holder and position of its event stream, its reported capabilities, since
    when events may have been missed, and the number of operations by status."""

    id = fields.SmallIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=255, unique=True)
    swept_at: fields.Field[int | None] = InstantField(null=True)
    breaker_opened_at: fields.Field[int | None] = InstantField(null=True)
    breaker_reason = fields.TextField(null=True)
    breaker_failures = fields.IntField(default=0)
    breaker_endpoints = fields.TextField(null=True)
    probe_at: fields.Field[int | None] = InstantField(null=True)
    probe_backoff = fields.IntField(default=0)
    bridge_holder = fields.CharField(max_length=64, null=True)
    bridge_until: fields.Field[int | None] = InstantField(null=True)
    bridge_open_since: fields.Field[int | None] = InstantField(null=True)
    boot_id = fields.CharField(max_length=64, null=True)
    request_ids = fields.BooleanField(default=False)
    notifications_wake = fields.BooleanField(default=False)
    open_calls = fields.IntField(null=True)
    stream_id = fields.CharField(max_length=64, null=True)
    missed_at: fields.Field[int | None] = InstantField(null=True)
    rules_seq = fields.BigIntField(default=0)
    queued = fields.BigIntField(default=0)
    sending = fields.BigIntField(default=0)
    confirmed = fields.BigIntField(default=0)
    failed = fields.BigIntField(default=0)
    canceled = fields.BigIntField(default=0)
    expired = fields.BigIntField(default=0)

    class Meta:
        table = "leshan_server"


class Endpoint(Model):
    """A device by its LwM2M endpoint client name: presence, registration, lease, and the facts that delay its next
    call. A name is unique among those that are not deleted. ``presence_check_at`` and ``overdue_check_at`` are when the
    clock can change its presence, and make it overdue, at the earliest. The database computes ``presence_due_at``,
    which the sweep reads, and ``ready_until``: the end of the window if ``ready_at`` is set. ``seen_hour`` is the hour
    of ``last_seen_at`` (since the epoch), ``update_id`` its open firmware update."""

    id = fields.BigIntField(primary_key=True, generated=False)
    server: fields.ForeignKeyRelation[LeshanServer] = fields.ForeignKeyField(
        "models.LeshanServer", on_delete=fields.RESTRICT
    )
    name = fields.CharField(max_length=255)

    presence = fields.CharEnumField(Presence, max_length=8)
    told_presence = fields.CharEnumField(Presence, max_length=8)
    announce_at: fields.Field[int | None] = InstantField(null=True)
    last_seen_at: fields.Field[int | None] = InstantField(null=True)
    awake_until: fields.Field[int | None] = InstantField(null=True)
    lifetime_ends_at: fields.Field[int | None] = InstantField(null=True)
    awake_window_seconds = fields.IntField(null=True)
    wake_seq = fields.BigIntField(default=0)
    listed_at: fields.Field[int | None] = InstantField(null=True)
    presence_check_at: fields.Field[int | None] = InstantField(null=True)
    presence_due_at: fields.Field[int | None] = InstantField(null=True)
    ready_until: fields.Field[int | None] = InstantField(null=True)
    overdue_check_at: fields.Field[int | None] = InstantField(null=True)
    overdue = fields.BooleanField(default=False)
    seen_hour = fields.IntField(null=True)

    lease_operation = fields.BigIntField(null=True)
    lease_token = fields.CharField(max_length=36, null=True)
    lease_until: fields.Field[int | None] = InstantField(null=True)
    lease_wake_seq = fields.BigIntField(null=True)
    call_open = fields.BooleanField(default=False)
    ready_at: fields.Field[int | None] = InstantField(null=True)
    held_wake_seq = fields.BigIntField(null=True)
    retry_at: fields.Field[int | None] = InstantField(null=True)
    retries = fields.IntField(default=0)
    not_before: fields.Field[int | None] = InstantField(null=True)
    setbacks = fields.IntField(default=0)
    down_since: fields.Field[int | None] = InstantField(null=True)
    next_operation = fields.BigIntField(null=True)
    answered_wake_seq = fields.BigIntField(null=True)
    silent = fields.BooleanField(default=False)
    paused = fields.BooleanField(default=False)

    queued = fields.IntField(default=0)
    sending = fields.IntField(default=0)
    confirmed = fields.IntField(default=0)
    failed = fields.IntField(default=0)
    canceled = fields.IntField(default=0)
    expired = fields.IntField(default=0)

    registration_id = fields.CharField(max_length=255, null=True)
    past_registrations = JsonField(null=True)
    leshan_registered_at = fields.BigIntField(null=True)
    leshan_last_update = fields.BigIntField(null=True)
    registered_at: fields.Field[int | None] = InstantField(null=True)
    last_update_at: fields.Field[int | None] = InstantField(null=True)
    lifetime_seconds = fields.BigIntField(null=True)
    lwm2m_version = fields.CharField(max_length=16, null=True)
    binding_mode = fields.CharField(max_length=16, null=True)
    queue_mode = fields.BooleanField(null=True)
    awake_millis = fields.BigIntField(null=True)
    address = fields.CharField(max_length=255, null=True)
    object_links = JsonField(null=True)
    observations = JsonField(null=True)
    composites = JsonField(null=True)
    rules_seq = fields.BigIntField(default=0)
    first_seen_at: fields.Field[int | None] = InstantField(null=True)
    contacts = JsonField(null=True)
    tags = JsonField(null=True)
    deleted_at: fields.Field[int | None] = InstantField(null=True)
    deleted_seq = fields.BigIntField(null=True)
    update_id = fields.BigIntField(null=True)

    class Meta:
        table = "endpoint"
        indexes = (Index(fields=("name",), name="ix_endpoint_name"),)


class DispatchPause(Model):
    """A current or former pause of the dispatch: to one endpoint, to one Leshan server, or (both null) to
    everything."""

    id = fields.BigIntField(primary_key=True, generated=False)
    server: fields.ForeignKeyNullableRelation[LeshanServer] = fields.ForeignKeyField(
        "models.LeshanServer", on_delete=fields.RESTRICT, null=True
    )
    endpoint: fields.ForeignKeyNullableRelation[Endpoint] = fields.ForeignKeyField(
        "models.Endpoint", on_delete=fields.CASCADE, null=True
    )
    reason = fields.TextField()
    paused_by = fields.CharField(max_length=255)
    paused_at: fields.Field[int] = InstantField()
    resumed_by = fields.CharField(max_length=255, null=True)
    resumed_at: fields.Field[int | None] = InstantField(null=True)

    class Meta:
        table = "dispatch_pause"


class Operation(Model):
    """One request for a device, from its creation to its end."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    id = fields.UUIDField(unique=True)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField("models.Endpoint", on_delete=fields.RESTRICT)
    kind = fields.CharEnumField(OperationKind, max_length=24)
    path = fields.CharField(max_length=32, null=True)
    paths = JsonField()
    value_type = fields.CharEnumField(ValueType, max_length=16, null=True)
    value = JsonField(null=True)
    composite = JsonField(null=True)
    replace = fields.BooleanField()
    arguments = fields.TextField(null=True)
    attributes = JsonField(null=True)
    format = fields.CharEnumField(ContentFormat, max_length=12, null=True)
    priority = fields.SmallIntField()
    max_attempts = fields.SmallIntField()
    repeatable = fields.BooleanField()
    validated = fields.BooleanField()
    timeout_seconds = fields.SmallIntField()
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)
    expires_at: fields.Field[int | None] = InstantField(null=True)
    idempotency_key = fields.CharField(max_length=255, null=True)
    fingerprint = fields.CharField(max_length=64, null=True)
    retry_of = fields.BigIntField(null=True)
    batch = fields.CharField(max_length=255, null=True)
    not_before: fields.Field[int | None] = InstantField(null=True)
    sequence = fields.CharField(max_length=255, null=True)
    rule_id = fields.BigIntField(null=True)
    trace = fields.CharField(max_length=55, null=True)
    fleet_id = fields.BigIntField(null=True)

    status = fields.CharEnumField(OperationStatus, max_length=9)
    version = fields.IntField()
    last_seq = fields.BigIntField()
    attempt = fields.IntField(default=0)
    attempts = fields.SmallIntField(default=0)
    delivery = fields.CharEnumField(Delivery, max_length=16)
    last_attempt_at: fields.Field[int | None] = InstantField(null=True)
    finished_at: fields.Field[int | None] = InstantField(null=True)
    reason = fields.CharEnumField(ReasonCode, max_length=20, null=True)
    detail = fields.TextField(null=True)
    device_status = fields.CharField(max_length=64, null=True)
    answer = JsonField(null=True)
    request_id = fields.CharField(max_length=64, null=True)
    superseded = fields.BooleanField(default=False)
    cancel_requested = fields.BooleanField(default=False)
    held_wake_seq = fields.BigIntField(null=True)
    retry_at: fields.Field[int | None] = InstantField(null=True)

    class Meta:
        table = "operation"


class OperationBatch(Model):
    """The creation of one operation for each endpoint of a filter, in pieces by name: up to ``last_endpoint`` it is
    done. ``endpoint_filter`` and ``template`` are the input; its operations have its name as their ``batch``, and its
    fingerprint."""

    id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=255, unique=True)
    endpoint_filter = JsonField()
    template = JsonField()
    fingerprint = fields.CharField(max_length=64)
    last_endpoint = fields.CharField(max_length=255, null=True)
    created = fields.IntField(default=0)
    passed_over = fields.IntField(default=0)
    begun_by = fields.CharField(max_length=255)
    begun_at: fields.Field[int] = InstantField()
    continued_at: fields.Field[int] = InstantField()
    finished_at: fields.Field[int | None] = InstantField(null=True)

    class Meta:
        table = "operation_batch"
        indexes = (Index(fields=("continued_at",), name="ix_operation_batch_continued"),)


class Transition(Model):
    """One step of one operation: the log that subscribers follow."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    operation: fields.ForeignKeyRelation[Operation] = fields.ForeignKeyField(
        "models.Operation", on_delete=fields.CASCADE
    )
    number = fields.IntField()
    from_status = fields.CharEnumField(OperationStatus, max_length=9, null=True)
    to_status = fields.CharEnumField(OperationStatus, max_length=9)
    attempt = fields.IntField()
    reason = fields.CharEnumField(ReasonCode, max_length=20, null=True)
    detail = fields.TextField(null=True)
    at: fields.Field[int] = InstantField()

    class Meta:
        table = "transition"
        unique_together = (("operation", "number"),)


class PresenceChange(Model):
    """One change of an endpoint's presence, as it is published to subscribers."""

    seq = fields.BigIntField(primary_key=True, generated=False)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField("models.Endpoint", on_delete=fields.CASCADE)
    presence = fields.CharEnumField(Presence, max_length=8)
    at: fields.Field[int] = InstantField()

    class Meta:
        table = "presence_change"


class ResourceState(Model):
    """The latest known value of one resource of one endpoint: its reading with the greatest (``at``, arrival).
    ``received_at``, ``seq`` and ``report`` are null where a version before revision 8 wrote it: the same as ``at`` and
    ``id``."""

    id = fields.BigIntField(primary_key=True, generated=False)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField("models.Endpoint", on_delete=fields.CASCADE)
    path = fields.CharField(max_length=32)
    type = fields.CharEnumField(ValueType, max_length=16)
    value = JsonField()
    at: fields.Field[int] = InstantField()
    received_at: fields.Field[int | None] = InstantField(null=True)
    seq = fields.BigIntField(null=True)
    report = fields.BigIntField(null=True)
    origin = fields.SmallIntField(default=0)
    time_source = fields.SmallIntField(default=1)

    class Meta:
        table = "resource_state"
        unique_together = (("endpoint", "path"),)
        indexes = (Index(fields=("path", "endpoint_id"), name="ix_resource_state_path"),)


class Reading(Model):
    """One value of one resource at one time (``at``), in the order of arrival: ``resourceChanges`` is resumed from
    these rows. Rows of one message have the same ``report``: the ``seq`` of its first one.

    ``number`` is the value as a number if it has one that can be summed. On PostgreSQL ``stored_at``, the time of the
    commit, chooses the partition, and no foreign key delays the arrival of values.
    """

    seq = fields.BigIntField(primary_key=True, generated=False)
    endpoint_id = fields.BigIntField()
    at: fields.Field[int] = InstantField()
    received_at: fields.Field[int] = InstantField()
    stored_at: fields.Field[int] = InstantField()
    report = fields.BigIntField()
    number = fields.FloatField(null=True)
    origin = fields.SmallIntField()
    time_source = fields.SmallIntField()
    path = fields.CharField(max_length=32)
    type = fields.CharEnumField(ValueType, max_length=16)
    value = JsonField()

    class Meta:
        table = "reading"
        indexes = (Index(fields=("endpoint_id", "path", "at"), name="ix_reading_path"),)


class ReadingHour(Model):
    """The readings of one resource whose ``at`` is within one hour, which begins at ``hour``.

    ``numbers``, ``low``, ``high`` and ``total`` are of those that are numbers; ``last_..`` is the reading with the
    greatest (``at``, arrival). The table's key is (``endpoint_id``, ``path``, ``hour``), which Tortoise cannot declare.
    """

    endpoint_id = fields.BigIntField(primary_key=True, generated=False)
    path = fields.CharField(max_length=32)
    hour: fields.Field[int] = InstantField()
    count = fields.BigIntField()
    numbers = fields.BigIntField()
    low = fields.FloatField(null=True)
    high = fields.FloatField(null=True)
    total = fields.FloatField(null=True)
    last_at: fields.Field[int] = InstantField()
    last_value = JsonField()

    class Meta:
        table = "reading_hour"


class ObjectModelRow(Model):
    """An object model as a device's Leshan server returned it, by object id and version."""

    id = fields.CharField(max_length=64, primary_key=True)
    server: fields.ForeignKeyRelation[LeshanServer] = fields.ForeignKeyField(
        "models.LeshanServer", on_delete=fields.RESTRICT
    )
    object_id = fields.IntField()
    version = fields.CharField(max_length=16)
    model = JsonField()
    stored_at: fields.Field[int] = InstantField()

    class Meta:
        table = "object_model"
        unique_together = (("server", "object_id", "version"),)
