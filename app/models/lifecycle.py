"""The legal moves of an operation, as a table. ``docs/lifecycle.md`` and the tests have the same table.

| from | to | moved by |
|---|---|---|
| (none) | QUEUED | the ledger's ``create`` |
| QUEUED | SENDING | ``claim``: committed before the request is sent |
| QUEUED | CANCELED | ``cancel``, one that supersedes it, an earlier one of its sequence, the endpoint's deletion |
| QUEUED | EXPIRED | ``sweep``, when ``expiresAt`` has passed |
| SENDING | SENDING | ``settle``: a stock Leshan returned "delayed" and holds the request until the next wake |
| SENDING | CONFIRMED, FAILED, QUEUED | ``settle``, by the verdict; ``sweep`` for an expired lease |
"""

from __future__ import annotations

from typing import Final

from app.domain.enums import OperationStatus

_S = OperationStatus

MOVES: Final[dict[OperationStatus | None, frozenset[OperationStatus]]] = {
    None: frozenset({_S.QUEUED}),
    _S.QUEUED: frozenset({_S.SENDING, _S.CANCELED, _S.EXPIRED}),
    _S.SENDING: frozenset({_S.SENDING, _S.CONFIRMED, _S.FAILED, _S.QUEUED}),
    _S.CONFIRMED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.EXPIRED: frozenset(),
}

TERMINAL: Final = frozenset(status for status, onward in MOVES.items() if status is not None and not onward)
"""Final statuses; a retry creates a new operation."""

STOPPING: Final = TERMINAL - {_S.CONFIRMED}
"""Final statuses that stop the sequence of an operation."""
