"""The error of an authentication that cannot be decided now."""

from __future__ import annotations


class AuthenticationUnavailable(RuntimeError):
    """It cannot be decided now whether a credential is valid, because the database or the identity provider does not
    respond. A later attempt may succeed."""
