"""The table of the counters for metrics. ``app.models.tables`` declares it together with all others."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class LedgerCounter(Model):
    """A counter (``app.models.counters``) of a Leshan server's rows. The table's key is (``server_id``, ``name``),
    which Tortoise cannot declare."""

    server_id = fields.SmallIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=64)
    value = fields.BigIntField()

    class Meta:
        table = "ledger_counter"
