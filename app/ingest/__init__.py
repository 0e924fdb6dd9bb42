"""Ingestion: turns events of a Leshan server into presence, values and results, and reconciles its registrations."""
