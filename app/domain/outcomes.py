"""The result of one call: an outcome is a fact; its consequence is the verdict's concern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.values import JsonValue


class OutcomeKind(Enum):
    """One member per row of the verdict table (``docs/lifecycle.md``), named for the observation, not for its
    consequence."""

    SUCCESS = auto()
    """200 with ``success:true``; for a canceled observation also an empty 200 and 404 ``no observation``."""
    DEVICE_ANSWERED_NO = auto()
    """200 with ``success:false``: the device's own CoAP code says why (``device_code``)."""
    DEVICE_ANSWERED_NONSENSE = auto()
    """500 ``Invalid Response:``: Leshan could not read the device's response."""
    ANSWER_TOO_LARGE = auto()
    """500 ``RESPONSE_TOO_LARGE`` (our own Leshan server): the device's response exceeds the server's ``--max-body``."""
    DEVICE_SILENT = auto()
    """504 ``Request timeout``: Leshan received no response from the device in time."""
    ANSWER_LOST = auto()
    """The request was sent and no readable response arrived: connection closed or reset, half a body, our deadline,
    other 500s."""
    PROXY_ERROR = auto()
    """502, 503, 408, or a 504 that is not Leshan's: the response comes from something between Reveille and Leshan."""
    NOT_CONNECTED = auto()
    """500 ``.. peer is not connected`` or ``Unable to send request``: Leshan may not call this device first."""
    DELAYED = auto()
    """200 with ``delayed:true``: a stock Leshan holds the request in memory until the device's next wake."""
    NOT_REGISTERED = auto()
    """400 ``No registered client``."""
    ASLEEP = auto()
    """400 ``.. sleeping`` (Leshan up to M16), 409 ``CLIENT_SLEEPING`` (our own Leshan server)."""
    BAD_REQUEST = auto()
    """Any other 400: Leshan does not accept the request, and sent nothing."""
    UNREACHABLE = auto()
    """Connection refused, no such host, TLS failure, or no connection before the deadline: the request was not sent."""
    LESHAN_REFUSED = auto()
    """401, 403, 407, 429: Leshan, or the proxy before it, refuses the call."""
    LESHAN_BUSY = auto()
    """409 ``BUSY``, 429 ``TOO_MANY_CALLS`` (our own Leshan server): it is healthy, and at its limit of open calls."""
    NOT_SENT = auto()
    """Our own Leshan server says that it sent nothing: a query found that it had not received the request and will not
    send it any more, or it ended the call before anything was sent."""
    UNEXPECTED = auto()
    """Anything else (3xx, 404, 405, 413, 414, 431 ..): this address does not respond as Leshan does."""
    LEASE_LOST = auto()
    """The outcome is unknown: the process that made the call did not come back before its lease expired."""
    DELAYED_LOST = auto()
    """A delayed request was due after a wake and no REQUEST_RESPONSE came, or events were missed meanwhile."""
    DELAYED_DROPPED = auto()
    """A delayed request whose registration was replaced or ended before any wake: Leshan never sent it."""
    TOO_LATE = auto()
    """The deadline had passed before the request was written, so it was not sent."""


_UNREAD_ANSWERS: Final = frozenset({OutcomeKind.DEVICE_ANSWERED_NONSENSE, OutcomeKind.ANSWER_TOO_LARGE})
"""The device answered, and Leshan reports no status of the response."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one call to Leshan.

    Attributes:
        http_status: of Leshan's response, None if none came.
        device_code: the device's CoAP code as a number, 404 for 4.04, if the device answered.
        device_status: the same in Leshan's form, ``"CHANGED(204)"``.
        detail: text of the device, of Leshan or of the transport, for people; at most 1,000 characters.
        content: the node (or for composites the map path -> node) of the response, in Leshan's form.
        object_links: DISCOVER's links in Leshan's form.
        location: CREATE's new path in Leshan's form (``"3442/8"``).
        request_id: the id under which Leshan holds a delayed request.
        deadline_passed: ANSWER_LOST because our own deadline passed (a Leshan that accepts and never answers).
        answered_before: the device answered the attempt's first call, and this is the outcome of the second one, in
            another content format.
    """

    kind: OutcomeKind
    http_status: int | None = None
    device_code: int | None = None
    device_status: str | None = None
    detail: str | None = None
    content: JsonValue = None
    object_links: Sequence[Mapping[str, JsonValue]] | None = None
    location: str | None = None
    request_id: str | None = None
    deadline_passed: bool = False
    answered_before: bool = False

    @property
    def of_the_device(self) -> bool:
        """Return whether the device itself answered: Leshan ends an observation without a request to the device."""
        return self.device_status is not None or self.answered_before or self.kind in _UNREAD_ANSWERS
