"""Readings: single values, pages by time, series, and the latest ones of a fleet."""

from __future__ import annotations

from app.models.queries.reading import fetch


async def reading_value(seq: int) -> str | None:
    """Return the stored JSON of a reading's value; None if it was pruned."""
    rows = await fetch("SELECT value FROM reading WHERE seq = $1", [seq])
    return rows[0][0] if rows else None
