"""The ledger: the only module that writes. Verbs are members; :class:`Ledger` commits them in groups."""

from app.models.ledger.brake import PauseDispatch, ResumeDispatch, Scope
from app.models.ledger.cancel import Cancel, CancelMany, Withdraw
from app.models.ledger.claim import Claim, Claimed
from app.models.ledger.create import Create, Created, NewOperation
from app.models.ledger.hear import MADE_UP, Hear, HeardEvent, Place, Reading
from app.models.ledger.keep import (
    Configure,
    HoldBridge,
    KeepModels,
    KeepServer,
    ProveWritable,
    Provision,
    StoredModel,
)
from app.models.ledger.ledger import ANSWER_SECONDS, Committed, Ledger, LedgerOverloaded, LedgerUnavailable
from app.models.ledger.listing import Ask, EndListing, Listed, Reconciled
from app.models.ledger.lost import HandOver, TakeLost
from app.models.ledger.members import Conflict, LedgerError, NotFound
from app.models.ledger.outage import READING, Outage, pauses
from app.models.ledger.rules import Rules
from app.models.ledger.settle import Release, Settle
from app.models.ledger.store import StoreUnavailable, UnsafeDatabase
from app.models.ledger.stores import open_store
from app.models.ledger.tend import Probed, Prune, Sweep, TakeProbe

__all__ = [
    "ANSWER_SECONDS",
    "MADE_UP",
    "READING",
    "Ask",
    "Cancel",
    "CancelMany",
    "Claim",
    "Claimed",
    "Committed",
    "Configure",
    "Conflict",
    "Create",
    "Created",
    "EndListing",
    "HandOver",
    "Hear",
    "HeardEvent",
    "HoldBridge",
    "KeepModels",
    "KeepServer",
    "Ledger",
    "LedgerError",
    "LedgerOverloaded",
    "LedgerUnavailable",
    "Listed",
    "NewOperation",
    "NotFound",
    "Outage",
    "PauseDispatch",
    "Place",
    "Probed",
    "ProveWritable",
    "Provision",
    "Prune",
    "Reading",
    "Reconciled",
    "Release",
    "ResumeDispatch",
    "Rules",
    "Scope",
    "Settle",
    "StoreUnavailable",
    "StoredModel",
    "Sweep",
    "TakeLost",
    "TakeProbe",
    "UnsafeDatabase",
    "Withdraw",
    "open_store",
    "pauses",
]
