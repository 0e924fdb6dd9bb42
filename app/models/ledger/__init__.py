"""The ledger: the only module that writes. Callers submit commands; :class:`Ledger` commits them in groups."""

from app.models.ledger.aggregates import AggregateReadings, RebuildAggregates
from app.models.ledger.api_tokens import (
    MAX_API_TOKENS,
    USE_SECONDS,
    CreateApiToken,
    RecordTokenUse,
    RevokeApiToken,
)
from app.models.ledger.audit import RecordAudit
from app.models.ledger.batches import Batch, BeginBatch, ContinueBatch
from app.models.ledger.cancel import Cancel, CancelMany, Withdraw
from app.models.ledger.claim import Claim, Claimed
from app.models.ledger.commands import Command, Conflict, LedgerError, LimitExceeded, NotFound
from app.models.ledger.counters import CorrectCounters
from app.models.ledger.create import Create, Created
from app.models.ledger.deletion import Deleted, DeleteEndpoint, RemoveRest
from app.models.ledger.group import EndedOperation
from app.models.ledger.ingest import MADE_UP, DecodedEvent, IngestEvents, StreamPosition
from app.models.ledger.ledger import ANSWER_SECONDS, Committed, Ledger, LedgerOverloaded, LedgerUnavailable
from app.models.ledger.listing import EndListing, Listed, ReadLedgerTime, Reconciled
from app.models.ledger.lost import HandOver, TakeLost
from app.models.ledger.maintenance import Probed, Prune, Sweep, TakeProbe
from app.models.ledger.metadata import (
    Configure,
    ProveWritable,
    Provision,
    RenewBridgeLease,
    StoredModel,
    StoreObjectModels,
    TagEndpoints,
    UpdateServerInfo,
)
from app.models.ledger.observation_rules import (
    MAX_RULES,
    CreateObservationRule,
    DeleteObservationRule,
    RuleDefinition,
    UpdateObservationRule,
)
from app.models.ledger.outage import READING, Outage
from app.models.ledger.pauses import PauseDispatch, ResumeDispatch, Scope
from app.models.ledger.readings import PruneReadings, TypedSample
from app.models.ledger.rows import AuditEntry
from app.models.ledger.rule_application import ApplyRules
from app.models.ledger.rules import Rules
from app.models.ledger.settle import Release, Settle
from app.models.ledger.store import StoreUnavailable, UnsafeDatabase
from app.models.ledger.stores import open_store

__all__ = [
    "ANSWER_SECONDS",
    "MADE_UP",
    "MAX_API_TOKENS",
    "MAX_RULES",
    "READING",
    "USE_SECONDS",
    "AggregateReadings",
    "ApplyRules",
    "AuditEntry",
    "Batch",
    "BeginBatch",
    "Cancel",
    "CancelMany",
    "Claim",
    "Claimed",
    "Command",
    "Committed",
    "Configure",
    "Conflict",
    "ContinueBatch",
    "CorrectCounters",
    "Create",
    "CreateApiToken",
    "CreateObservationRule",
    "Created",
    "DecodedEvent",
    "DeleteEndpoint",
    "DeleteObservationRule",
    "Deleted",
    "EndListing",
    "EndedOperation",
    "HandOver",
    "IngestEvents",
    "Ledger",
    "LedgerError",
    "LedgerOverloaded",
    "LedgerUnavailable",
    "LimitExceeded",
    "Listed",
    "NotFound",
    "Outage",
    "PauseDispatch",
    "Probed",
    "ProveWritable",
    "Provision",
    "Prune",
    "PruneReadings",
    "ReadLedgerTime",
    "RebuildAggregates",
    "Reconciled",
    "RecordAudit",
    "RecordTokenUse",
    "Release",
    "RemoveRest",
    "RenewBridgeLease",
    "ResumeDispatch",
    "RevokeApiToken",
    "RuleDefinition",
    "Rules",
    "Scope",
    "Settle",
    "StoreObjectModels",
    "StoreUnavailable",
    "StoredModel",
    "StreamPosition",
    "Sweep",
    "TagEndpoints",
    "TakeLost",
    "TakeProbe",
    "TypedSample",
    "UnsafeDatabase",
    "UpdateObservationRule",
    "UpdateServerInfo",
    "Withdraw",
    "open_store",
]
