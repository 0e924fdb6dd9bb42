"""The Firmware Update object (LwM2M Core 1.1, appendix E.6): its resources, their values, and the way of delivery."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import auto
from typing import Final
from urllib.parse import urlsplit

from app.domain.enums import FirmwareMethod, NamedEnum

OBJECT: Final = 5
"""The Firmware Update object."""

PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT, PACKAGE_VERSION, PROTOCOLS, DELIVERY = 0, 1, 2, 3, 5, 7, 8, 9
"""Its resources: Package, Package URI, Update, State, Update Result, PkgVersion, Firmware Update Protocol Support,
Firmware Update Delivery Method."""

FIRMWARE_VERSION: Final = "/3/0/3"
"""Firmware Version of the Device object."""

MAX_URI: Final = 255
"""Maximum length of a Package URI in bytes."""

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
"""The values of State."""

SUCCESS: Final = 1
CONNECTION_LOST: Final = 4

RESULTS: Final[Mapping[int, str]] = {
    2: "NOT_ENOUGH_FLASH",
    3: "OUT_OF_RAM",
    4: "CONNECTION_LOST",
    5: "INTEGRITY_CHECK_FAILED",
    6: "UNSUPPORTED_PACKAGE_TYPE",
    7: "INVALID_URI",
    8: "UPDATE_FAILED",
    9: "UNSUPPORTED_PROTOCOL",
    10: "CANCELED_ON_DEVICE",
}
"""The values of Update Result that mean a failure, as the update's reason (10 since version 1.1 of the object). With 11
the device updates later."""


class Reason(NamedEnum):
    """Why an update ended otherwise than expected, beside :data:`RESULTS`."""

    ALREADY_INSTALLED = auto()
    CANCELED_BY_USER = auto()
    DEVICE_REFUSED = auto()
    ENDPOINT_DELETED = auto()
    INTERRUPTED = auto()
    NOT_SUPPORTED = auto()
    NO_ANSWER = auto()
    STATE_LOST = auto()
    TIMEOUT = auto()
    UNEXPECTED_STATE = auto()
    UNSUPPORTED_DELIVERY = auto()
    UNSUPPORTED_PROTOCOL = auto()
    VERSION_UNKNOWN = auto()
    WRONG_VERSION = auto()


SCHEMES: Final = {"coap": 0, "coaps": 1, "http": 2, "https": 3, "coap+tcp": 4, "coaps+tcp": 5}
"""The values of Firmware Update Protocol Support, by the scheme of a URI."""

PULL_ONLY, PUSH_ONLY, BOTH = range(3)
"""The values of Firmware Update Delivery Method."""


def choose_method(
    wanted: FirmwareMethod,
    *,
    uri: str | None,
    can_push: bool,
    is_small: bool,
    delivery: int | None,
    protocols: Collection[int],
) -> FirmwareMethod | Reason:
    """Return how the package is delivered, or why it cannot be.

    Args:
        uri: from which the device can download it; None if there is none.
        can_push: whether its content is stored here, and small enough to be written to a device.
        is_small: whether it is smaller than the exchange of a URI and a download is worth.
        delivery: the device's Firmware Update Delivery Method; None if it does not say.
        protocols: the device's Firmware Update Protocol Support; empty if it does not say.
    """
    pulls = delivery != PUSH_ONLY and uri is not None
    pushes = delivery != PULL_ONLY and can_push
    understood = not protocols or uri is None or SCHEMES.get(urlsplit(uri).scheme) in protocols
    if pushes and (wanted is FirmwareMethod.PUSH or is_small or not (pulls and understood)):
        return FirmwareMethod.PUSH
    if pulls and understood:
        return FirmwareMethod.PULL
    return Reason.UNSUPPORTED_PROTOCOL if pulls else Reason.UNSUPPORTED_DELIVERY
