"""The tables of observation rules. ``app.models.tables`` declares them together with all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from app.domain.enums import ObservationState
from app.models.table_fields import InstantField, JsonField

if TYPE_CHECKING:
    from app.models.tables import Endpoint, LeshanServer


class ObservationRule(Model):
    """What the endpoints that a filter selects should observe: ``given_filter`` as the API shows it, ``criteria`` as
    the fields of ``EndpointCriteria``."""

    id = fields.BigIntField(primary_key=True, generated=False)
    server: fields.ForeignKeyRelation[LeshanServer] = fields.ForeignKeyField(
        "models.LeshanServer", on_delete=fields.RESTRICT
    )
    name = fields.CharField(max_length=255)
    given_filter = JsonField()
    criteria = JsonField()
    paths = JsonField()
    composite = fields.BooleanField()
    attributes = JsonField(null=True)
    read_paths = JsonField()
    enabled = fields.BooleanField()
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)

    class Meta:
        table = "observation_rule"
        unique_together = (("server", "name"),)


class Observation(Model):
    """How far an observation rule is on an endpoint: ``targets`` has the state of each of its observations.

    ``registration`` is the endpoint's registration that it was applied to; ``check_at`` is when to check whether the
    device still reports. A rule that was deleted leaves the row until its observations are canceled.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    endpoint: fields.ForeignKeyRelation[Endpoint] = fields.ForeignKeyField(
        "models.Endpoint", related_name="rule_observations", on_delete=fields.CASCADE
    )
    rule_id = fields.BigIntField()
    registration = fields.CharField(max_length=255, null=True)
    targets = JsonField()
    state = fields.CharEnumField(ObservationState, max_length=13)
    since: fields.Field[int] = InstantField()
    check_at: fields.Field[int | None] = InstantField(null=True)
    operation = fields.BigIntField(null=True)
    detail = fields.TextField(null=True)

    class Meta:
        table = "observation"
        unique_together = (("endpoint", "rule_id"),)
