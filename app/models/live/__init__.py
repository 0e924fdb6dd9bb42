"""The live log: each committed event is delivered to every matching subscriber, once and in order."""

from app.models.live.events import (
    CursorExpired,
    Lagged,
    LivePresence,
    LiveResource,
    LiveTransition,
    PresenceCriteria,
    ResourceCriteria,
    TransitionCriteria,
)
from app.models.live.log import LiveLog

__all__ = [
    "CursorExpired",
    "Lagged",
    "LiveLog",
    "LivePresence",
    "LiveResource",
    "LiveTransition",
    "PresenceCriteria",
    "ResourceCriteria",
    "TransitionCriteria",
]
