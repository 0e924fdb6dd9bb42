"""Execution of documents: preparation, limits, admission and errors, for all transports."""
