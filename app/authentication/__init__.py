"""Authentication: the viewer of a credential, and the sessions that end with it."""

from app.authentication.api_tokens import ApiTokenCache
from app.authentication.authenticator import Authenticator
from app.authentication.unavailable import AuthenticationUnavailable

__all__ = ["ApiTokenCache", "AuthenticationUnavailable", "Authenticator"]
