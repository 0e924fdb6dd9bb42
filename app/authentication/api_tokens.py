"""Cache of the API tokens in the database.

All tokens that have not ended are in memory (at most ``MAX_API_TOKENS``), so that a request costs no statement. A poll
of one number finds creations and revocations by other processes; an unknown token is looked up before it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.authentication.shared_refresh import SharedRefresh
from app.authentication.unavailable import AuthenticationUnavailable
from app.domain.enums import SECOND, Instant
from app.models.ledger import USE_SECONDS, Ledger, LedgerUnavailable, RecordTokenUse
from app.models.queries import ApiTokenView, ReadUnavailable, active_api_tokens, api_token_state
from app.security import Origin, Viewer, digest_of

LOOK_UP_PAUSE: Final = 0.5
"""Minimum seconds between the look-ups of unknown tokens: one reads for all callers that wait."""
WRITE_SECONDS: Final = 5.0


class ApiTokenCache:
    """The tokens of the database as this process knows them.

    Attributes:
        any_stored: whether any token is stored, ended ones included.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], Instant]) -> None:
        self.any_stored = False
        self._ledger, self._clock = ledger, clock
        self._state: int | None = None
        self._by_digest: dict[str, ApiTokenView] = {}
        self._active: set[int] = set()
        self._used: dict[int, Instant] = {}
        self._written: dict[int, Instant] = {}
        self._look_up = SharedRefresh(self.refresh, LOOK_UP_PAUSE)

    async def refresh(self) -> None:
        """Read the tokens again if any was created or revoked.

        Raises:
            ReadUnavailable: the database cannot be reached. The known tokens remain valid.
        """
        state = await api_token_state()
        if state != self._state:
            views = await active_api_tokens()
            self._by_digest = {view.digest: view for view in views}
            self._active = {view.id for view in views}
            self._written = {id_: at for id_, at in self._written.items() if id_ in self._active}
            self._state = state
        self.any_stored = state is not None

    async def find(self, secret: str) -> Viewer | None:
        """Return the viewer of a token; None if it is unknown, revoked or expired.

        Raises:
            AuthenticationUnavailable: it is unknown here, and the database cannot be read.
        """
        digest = digest_of(secret)
        if digest is None:
            return None
        if digest not in self._by_digest:
            try:
                await self._look_up.wait()
            except ReadUnavailable as error:
                raise AuthenticationUnavailable(str(error)) from None
        view, now = self._by_digest.get(digest), self._clock()
        if view is None or (view.expires_at is not None and view.expires_at <= now):
            return None
        self._used[view.id] = now
        return Viewer(view.name, view.role, view.expires_at, Origin.TOKEN, view.id)

    def is_active(self, id_: object) -> bool:
        """Return whether the token was not revoked."""
        return id_ in self._active

    async def write_uses(self) -> None:
        """Write the last use of the tokens that were used, at most once a minute for each."""
        stored = {view.id: view.last_used_at or 0 for view in self._by_digest.values()}
        due = {
            id_: at
            for id_, at in self._used.items()
            if id_ in stored and at - max(stored[id_], self._written.get(id_, 0)) >= USE_SECONDS * SECOND
        }
        if due:
            try:
                await self._ledger.submit(RecordTokenUse(due), within=WRITE_SECONDS)
            except LedgerUnavailable:
                return  # the next call tries again
            self._written |= due
        self._used.clear()
