"""The check of every test with a database: the invariants that ``reveille check`` verifies on a live one."""

from __future__ import annotations

from app.models.invariant_check import violations

__all__ = ["violations"]
