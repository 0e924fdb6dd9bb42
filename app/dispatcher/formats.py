"""The content formats of an attempt, from the registration and from the formats that the device has refused since.

A device that answers 4.06 or 4.15 has not carried out the request, whatever the operation. So the same attempt calls
once more in the other format, within the same deadline and with a request id of its own; the response to that call
counts.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Final, TypeAlias

from app.domain.enums import ContentFormat, OperationKind
from app.domain.kinds import READS
from app.leshan.content_formats import Formats, formats_for, registered_formats
from app.models.ledger import Claimed
from app.models.object_models import stored_links

MOST_REMEMBERED: Final = 10_000

_Key: TypeAlias = tuple[str, str | None, OperationKind, str | None]

_registered = lru_cache(maxsize=4_096)(lambda links: registered_formats(stored_links(links)))


class ContentFormats:
    """Chooses the content formats of attempts, and remembers which format was refused.

    The memory is kept in this process, by endpoint (those known from the older webhooks have no registration id),
    registration, kind and path: every other dispatcher learns by one refused call of its own, which costs less than a
    column that each registration would have to reset.
    """

    def __init__(self) -> None:
        self._learned: OrderedDict[_Key, ContentFormat | None] = OrderedDict()

    def of(self, claimed: Claimed, *, typed: bool) -> Formats:
        """Return the formats to request, one or two, the preferred one first.

        ``typed``: whether the server is known to read types (``LeshanClient.typed``). A server that does not loses
        digits in SenML, so the device chooses the format of a read through it.
        """
        request = claimed.request
        if not typed and request.kind in READS:
            return (request.format,)
        formats = formats_for(request, _registered(claimed.object_links), claimed.lwm2m_version)
        if self._learned and len(formats) > 1 and self._learned.get(_key(claimed), formats[0]) is formats[1]:
            return formats[::-1]
        return formats

    def learn(self, claimed: Claimed, format_: ContentFormat | None) -> None:
        """Prefer this format from now on: the device refused the other one."""
        self._learned[_key(claimed)] = format_
        self._learned.move_to_end(_key(claimed))
        if len(self._learned) > MOST_REMEMBERED:
            self._learned.popitem(last=False)


def _key(claimed: Claimed) -> _Key:
    request = claimed.request
    return request.endpoint, claimed.registration_id, request.kind, request.path
