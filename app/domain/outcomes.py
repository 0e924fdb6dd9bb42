"""What came back of one call: an outcome is what happened, what follows from it is the verdict's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.values import JsonValue


class OutcomeKind(Enum):
    """One member per row of the verdict table (``docs/lifecycle.md``), named for what was seen, not what follows."""

    SUCCESS = auto()
    """200 with ``success:true``; for a cancelled observation also an empty 200 and 404 ``no observation``."""
    DEVICE_ANSWERED_NO = auto()
    """200 with ``success:false``: the device's own CoAP code says why (``device_code``)."""
    DEVICE_ANSWERED_NONSENSE = auto()
    """500 ``Invalid Response:``: the device answered what Leshan could not read."""
    ANSWER_TOO_LARGE = auto()
    """500 ``RESPONSE_TOO_LARGE`` (our own Leshan server): the device's answer exceeds the server's ``--max-body``."""
    DEVICE_SILENT = auto()
    """504 ``Request timeout``: Leshan had no answer of the device in time."""
    ANSWER_LOST = auto()
    """The request left and no readable answer came: closed or reset, half a body, our deadline, other 500s."""
    PROXY_ERROR = auto()
    """502, 503, 408, or a 504 that is not Leshan's: something between us and Leshan speaks."""
    NOT_CONNECTED = auto()
    """500 ``.. peer is not connected`` or ``Unable to send request``: Leshan may not call this device first."""
    DELAYED = auto()
    """200 with ``delayed:true``: a stock Leshan keeps the request in memory until the device's next wake."""
    NOT_REGISTERED = auto()
    """400 ``No registered client``."""
    ASLEEP = auto()
    """400 ``.. sleeping`` (Leshan up to M16), 409 ``CLIENT_SLEEPING`` (our own Leshan server)."""
    BAD_REQUEST = auto()
    """Any other 400: Leshan does not take the request, and sent nothing."""
    UNREACHABLE = auto()
    """Refused, no such host, TLS failed, or no connection before the deadline: the request did not leave."""
    LESHAN_REFUSED = auto()
    """401, 403, 407, 429: Leshan, or the proxy before it, turns us away."""
    LESHAN_BUSY = auto()
    """409 ``BUSY``, 429 ``TOO_MANY_CALLS`` (our own Leshan server): it is well, and has all the calls that it takes."""
    NOT_SENT = auto()
    """Our own Leshan server says that it sent nothing: asked, it had not received the request and will not send it any
    more, or it ended the call before anything left."""
    UNEXPECTED = auto()
    """Anything else (3xx, 404, 405, 413, 414, 431 ..): this address is not served as Leshan serves it."""
    LEASE_LOST = auto()
    """Nobody knows: the process that made the call did not come back before its lease ran out."""
    DELAYED_LOST = auto()
    """A delayed request was due after a wake and no REQUEST_RESPONSE came, or events were missed meanwhile."""
    DELAYED_DROPPED = auto()
    """A delayed request whose registration was replaced or ended before any wake: Leshan never sent it."""
    TOO_LATE = auto()
    """The deadline had passed before the request was written, so it was not sent."""


_UNREAD_ANSWERS: Final = frozenset({OutcomeKind.DEVICE_ANSWERED_NONSENSE, OutcomeKind.ANSWER_TOO_LARGE})
"""The device answered, and Leshan reports no status of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call to Leshan came to.

    Attributes:
        http_status: of Leshan's answer, None when none came.
        device_code: the device's CoAP code as a number, 404 for 4.04, when the device answered.
        device_status: the same as Leshan tells it, ``"CHANGED(204)"``.
        detail: text of the device, of Leshan or of the transport, for people; at most 1,000 characters.
        content: the node (or for composites the map path -> node) of the answer, in Leshan's form.
        object_links: DISCOVER's links as Leshan tells them.
        location: CREATE's new path as Leshan tells it (``"3442/8"``).
        request_id: the id under which Leshan keeps a delayed request.
        deadline_passed: ANSWER_LOST because our own deadline ran out (a Leshan that accepts and never answers).
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
        """Whether the device itself answered: Leshan ends an observation without a request to it."""
        return self.device_status is not None or self.answered_before or self.kind in _UNREAD_ANSWERS
