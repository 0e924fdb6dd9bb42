"""The judge of every test with a database: the laws that ``reveille check`` asks of a live one."""

from __future__ import annotations

from app.models.laws import broken_laws

__all__ = ["broken_laws"]
