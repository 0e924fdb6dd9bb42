"""Ingestion: events of a Leshan server become presence, values and results, and its registrations are reconciled."""
