"""The only list of the differences between Leshan servers in the behavior that Reveille relies on.

A test whose assertions do not hold on a server with a difference is marked ``without`` it and is not collected there; a
test marked ``only_with`` it checks the behavior of such a server instead. So the list is tested as well, and no test is
skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Difference(Enum):
    """One difference from stock Leshan 2.0.0-M18, which our own server follows in stock mode, with its reason."""

    REFUSES_WHEN_ASLEEP = (
        "Up to 2.0.0-M16 a request for a client that sleeps is a 400 (ASLEEP); later ones keep it (DELAYED)."
    )
    NEVER_DELAYED = "Our own server in production mode keeps no request for later either; it answers 409 (ASLEEP)."
    ONE_CALL_AT_A_TIME = (
        "Our own server in production mode has one call to a client open at a time, and refuses others (LESHAN_BUSY)."
    )
    NOTIFICATIONS_WAKE = "Our own server in production mode takes a device that notifies or sends as awake."
    EVERY_NAME_IS_TOLD = 'Our own server in production mode tells events of a name with `"` as JSON that can be read.'
    NO_COMPOSITES = (
        "2.0.0-M4 knows no composite operations and takes `composite` for a path: read and cancel are a 500 then, "
        "which cannot be told from a request that was lost (ANSWER_LOST); write and observe are a 400."
    )
    NO_SEND = "2.0.0-M4 acknowledges a Send of LwM2M 1.1 and tells nobody."
    UNTYPED_JSON = (
        "2.0.0-M4 reads no `type`: our integers, strings of digits, are strings to it. If it knows the object's model "
        "in the device's version it refuses them (BAD_REQUEST). If not, they go out as text: refused by the "
        "device as SenML, stored wrong as TLV. Only STRING can be written through it for sure."
    )
    NO_RESOURCE_INSTANCES = "2.0.0-M4 writes one instance of a multiple resource in a way that the device refuses."
    FEW_MODELS = (
        "2.0.0-M4 knows no model of the test object 3442, nor of objects 3 and 5 in the versions that devices have: "
        "their values come back as hex of the device's bytes."
    )
    DATES_IN_SECONDS = (
        "2.0.0-M4 tells dates as ISO text in whole seconds: of two updates within a second the later one looks like a "
        "duplicate."
    )
    NO_DTLS = "The real devices speak CoAP without security, so that no `peer is not connected` (NOT_CONNECTED) comes."
    ALL_IS_READABLE = (
        "The real devices answer nothing that Leshan 2.0.0-M18 cannot read, so that no `Invalid Response` "
        "(DEVICE_ANSWERED_NONSENSE) comes. From 2.0.0-M4 one does: it cannot read their CBOR."
    )


_D = Difference

SERVERS: Final[Mapping[str, frozenset[Difference]]] = {
    "simulator": frozenset(),
    "ours": frozenset({_D.NO_DTLS, _D.ALL_IS_READABLE}),
    "production": frozenset(
        {
            _D.REFUSES_WHEN_ASLEEP,
            _D.NEVER_DELAYED,
            _D.ONE_CALL_AT_A_TIME,
            _D.NOTIFICATIONS_WAKE,
            _D.EVERY_NAME_IS_TOLD,
            _D.NO_DTLS,
            _D.ALL_IS_READABLE,
        }
    ),
    "m4": frozenset(
        {
            _D.REFUSES_WHEN_ASLEEP,
            _D.NO_COMPOSITES,
            _D.NO_SEND,
            _D.UNTYPED_JSON,
            _D.NO_RESOURCE_INSTANCES,
            _D.FEW_MODELS,
            _D.DATES_IN_SECONDS,
            _D.NO_DTLS,
        }
    ),
}
"""The servers under contract. Any other server is treated as ``ours`` unless REVEILLE_TEST_LESHAN_LIKE names one of
these."""
