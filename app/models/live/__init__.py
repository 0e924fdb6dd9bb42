"""The live log: each committed event is delivered to every matching subscriber, once and in order."""

from app.models.live.events import (
    CampaignCriteria,
    CursorExpired,
    Lagged,
    LiveCampaignChange,
    LivePresence,
    LiveResource,
    LiveTransition,
    PresenceCriteria,
    ResourceCriteria,
    TransitionCriteria,
)
from app.models.live.log import LiveLog

__all__ = [
    "CampaignCriteria",
    "CursorExpired",
    "Lagged",
    "LiveCampaignChange",
    "LiveLog",
    "LivePresence",
    "LiveResource",
    "LiveTransition",
    "PresenceCriteria",
    "ResourceCriteria",
    "TransitionCriteria",
]
