"""The tables of access: API tokens and the audit. ``app.models.tables`` declares them together with all others."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model

from app.models.table_fields import InstantField, JsonField
from app.security import Role


class ApiToken(Model):
    """An API token. Only the SHA-256 of its secret is stored: the secret is random, 256 bits, so that neither salt nor
    a slow hash would make it harder to find.

    ``ends_at`` is the earlier of ``expires_at`` and ``revoked_at``; ``changed_seq`` grows with every creation and
    revocation, so that processes read the tokens again.
    """

    id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=255)
    role = fields.CharEnumField(Role, max_length=8)
    digest = fields.CharField(max_length=64, unique=True)
    created_at: fields.Field[int] = InstantField()
    created_by = fields.CharField(max_length=255, null=True)
    expires_at: fields.Field[int | None] = InstantField(null=True)
    last_used_at: fields.Field[int | None] = InstantField(null=True)
    revoked_at: fields.Field[int | None] = InstantField(null=True)
    ends_at: fields.Field[int | None] = InstantField(null=True)
    changed_seq = fields.BigIntField()

    class Meta:
        table = "api_token"


class AuditEvent(Model):
    """One change that a caller requested: who (``actor``), what (``action``, the mutation's name), when, and which
    object it is about (``target``)."""

    id = fields.BigIntField(primary_key=True, generated=False)
    at: fields.Field[int] = InstantField()
    actor = fields.CharField(max_length=255)
    action = fields.CharField(max_length=64)
    target = fields.CharField(max_length=255, null=True)
    detail = JsonField(null=True)

    class Meta:
        table = "audit_event"
