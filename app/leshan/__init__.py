"""Requests to a Leshan server, and its events. This package knows no database; all HTTP with Leshan is here."""
