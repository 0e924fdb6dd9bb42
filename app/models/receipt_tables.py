"""The tables of receipts, which are deleted soon. ``app.models.tables`` declares them together with all others."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from app.models.table_fields import InstantField, JsonField


class WebhookDelivery(Model):
    """The id of a webhook delivery whose effect is stored, retained for 24 hours so that a redelivery changes
    nothing."""

    id = fields.CharField(max_length=255, primary_key=True)
    at: fields.Field[int] = InstantField()

    class Meta:
        table = "webhook_delivery"


class EarlyResponse(Model):
    """The response to a delayed request that arrived before the ledger committed the delay; retained for 10 minutes, to
    be found then."""

    request_id = fields.CharField(max_length=64, primary_key=True)
    endpoint = fields.CharField(max_length=255)
    outcome = JsonField()
    at: fields.Field[int] = InstantField()

    class Meta:
        table = "early_response"
