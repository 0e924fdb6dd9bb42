"""The one authenticator of a process: it finds the viewer of a credential, and ends the sessions of ended ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from app.authentication.api_tokens import ApiTokenCache
from app.authentication.unavailable import AuthenticationUnavailable
from app.domain.enums import Instant
from app.models.ledger.outage import READING, Outage
from app.models.queries import ReadUnavailable
from app.security import OPEN_VIEWER, Access, Origin, Viewer, find_viewer
from app.timing import DEFAULT

if TYPE_CHECKING:
    from app.authentication.identity_provider import IdentityProvider  # its packages are imported only if it is used

log = structlog.get_logger(__name__)


def host_time() -> Instant:
    """Return the time of this host, by which credentials expire."""
    return time.time_ns() // 1000


class Authenticator:
    """Viewers by credential, from all origins.

    Args:
        accesses: entries of REVEILLE_AUTH.
        allows_open: whether the settings allow open access: no credential is required as long as no token is stored.
        tokens: the tokens of the database; None without a database.
        provider: the identity provider, if one is configured.
    """

    def __init__(
        self,
        accesses: Sequence[Access] = (),
        *,
        allows_open: bool = False,
        tokens: ApiTokenCache | None = None,
        provider: IdentityProvider | None = None,
        clock: Callable[[], Instant] = host_time,
    ) -> None:
        self._accesses, self._allows_open = accesses, allows_open
        self._tokens, self._provider, self._clock = tokens, provider, clock
        self._sessions: dict[Viewer, set[Callable[[], None]]] = {}

    @property
    def is_open(self) -> bool:
        """Return whether callers that are served need no credential. The first token in the database ends that for
        good: not even its revocation or expiry opens the access again."""
        return self._allows_open and not self.has_credentials

    @property
    def has_credentials(self) -> bool:
        """Return whether any credential exists."""
        any_stored = self._tokens is not None and self._tokens.any_stored
        return bool(self._accesses) or self._provider is not None or any_stored

    async def authenticate(self, token: str | None) -> Viewer | None:
        """Return the viewer of a bearer token, or of None without one; None if access is denied.

        Raises:
            AuthenticationUnavailable: that cannot be decided now.
        """
        if self.is_open:
            return OPEN_VIEWER
        if not token:
            return None
        viewer = find_viewer(self._accesses, token)
        if viewer is None and self._tokens is not None:
            viewer = await self._tokens.find(token)
        if viewer is None and self._provider is not None:
            viewer = await self._provider.find(token)
        return viewer

    async def is_authenticated(self, token: str | None) -> bool:
        """Return whether a bearer token, or None, has a viewer; False if that cannot be decided now."""
        try:
            return await self.authenticate(token) is not None
        except AuthenticationUnavailable:
            return False

    @contextmanager
    def session(self, viewer: Viewer, on_end: Callable[[], None]) -> Iterator[None]:
        """Watch a credential for as long as the context is open: ``on_end`` is called once, soon after it was revoked
        or has expired. It must not block."""
        if not self._is_valid(viewer):
            on_end()
        callbacks = self._sessions.setdefault(viewer, set())
        callbacks.add(on_end)
        try:
            yield
        finally:
            callbacks.discard(on_end)
            if not callbacks and self._sessions.get(viewer) is callbacks:
                del self._sessions[viewer]

    async def refresh(self) -> None:
        """Read what has changed, and end the sessions of ended credentials.

        Raises:
            ReadUnavailable: the database cannot be reached.
        """
        was_open = self.is_open
        if self._tokens is not None:
            await self._tokens.refresh()
        if was_open and not self.is_open:
            reason = "An API token is stored: every caller needs a credential; `reveille token create` makes one."
            log.warning("access_closed", reason=reason)
        self.end_sessions()

    def end_sessions(self) -> None:
        """End the sessions of credentials that were revoked or have expired."""
        for viewer in [viewer for viewer in self._sessions if not self._is_valid(viewer)]:
            for on_end in self._sessions.pop(viewer):
                on_end()

    async def run(self, outage: Outage, interval: float = DEFAULT.access) -> None:
        """Refresh forever. Known credentials remain valid while the database or the identity provider is unavailable,
        until they expire."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run(outage, interval))
            if self._provider is not None:
                tasks.create_task(self._provider.run())

    async def _run(self, outage: Outage, interval: float) -> None:
        while True:
            try:
                await self.refresh()
                outage.ended(READING)
                if self._tokens is not None:
                    await self._tokens.write_uses()
            except ReadUnavailable as error:
                outage.failed(error, READING)
                self.end_sessions()
            except Exception:
                log.exception("authentication_not_refreshed")
            await asyncio.sleep(interval)

    def _is_valid(self, viewer: Viewer) -> bool:
        if viewer.expires_at is not None and viewer.expires_at <= self._clock():
            return False
        match viewer.origin:
            case Origin.OPEN:
                return self.is_open
            case Origin.SETTINGS:
                return True
            case Origin.TOKEN:
                return self._tokens is not None and self._tokens.is_active(viewer.credential)
            case Origin.PROVIDER:
                return self._provider is not None and self._provider.has_key(viewer.credential)
