"""The way in which a device updates its firmware (object 5), selected per device, and counts of what it did.

========================  =============================================================================================
``unsupported_protocol``  the write of an address returns 4.00; Idle, result 9
``invalid_uri``           Idle, result 7, at once
``connection_lost``       the download is interrupted: Idle, result 4, unless the device ``resumes``
``not_enough_flash``      Idle, result 2, after the delivery by either method; ``out_of_memory`` 3, ``integrity`` 5,
                          ``unsupported_type`` 6
``download_stalls``       it stays in Downloading
``download_lost``         it reboots in Downloading, ``package_lost`` in Downloaded; then Idle, result 0
``deferred``              Execute leads to Downloaded, result 11; the update starts after ``downloaded_ms``, or at the
                          next Execute
``update_failed``         no reboot; Downloaded, result 8; ``update_failed_idle``: Idle
``power_cut``             it reboots with the old version; Downloaded, result 0; ``power_cut_idle``: Idle
``old_version``           it reboots with the old version; Idle, result 1
``disappears``            it is off until a command registers it, then with the new version; Idle, result 1
========================  =============================================================================================

The Java test devices have the same names (``leshan-server/README.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self


class FirmwareFault(StrEnum):
    """Names of the failures; the module's docstring describes each."""

    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    INVALID_URI = "invalid_uri"
    CONNECTION_LOST = "connection_lost"
    NOT_ENOUGH_FLASH = "not_enough_flash"
    OUT_OF_MEMORY = "out_of_memory"
    INTEGRITY = "integrity"
    UNSUPPORTED_TYPE = "unsupported_type"
    DOWNLOAD_STALLS = "download_stalls"
    DOWNLOAD_LOST = "download_lost"
    PACKAGE_LOST = "package_lost"
    DEFERRED = "deferred"
    UPDATE_FAILED = "update_failed"
    UPDATE_FAILED_IDLE = "update_failed_idle"
    POWER_CUT = "power_cut"
    POWER_CUT_IDLE = "power_cut_idle"
    OLD_VERSION = "old_version"
    DISAPPEARS = "disappears"


class Delivery(StrEnum):
    """How a device receives packages: 5/0/9. The other method returns 4.05."""

    PULL = "pull"
    PUSH = "push"
    BOTH = "both"

    @property
    def code(self) -> str:
        """The value of 5/0/9."""
        return str(list(Delivery).index(self))


class Reports(StrEnum):
    """How often a device notifies a change of 5/0/3 or 5/0/5."""

    NEVER = "never"
    ONCE = "once"
    TWICE = "twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareBehaviour:
    """How a device updates its firmware.

    Attributes:
        fault: the failure that it has; None: none.
        times: how often that failure happens; None: always.
        resumes: how often it resumes an interrupted download.
        download_ms: time in Downloading, of a download from an address.
        downloaded_ms: time in Downloaded before a failure there, or before a deferred update starts.
        update_ms: time in Updating.
        boot_ms: how long a reboot takes; None: the simulator's ``reboot_seconds``.
        report_delay_ms: delay of the notifications, which have the value of their own time.
        version: of each package, whatever its address or content; None: as ``firmware.py`` reads it.
        replaces: whether an address or package is accepted in Downloading and Downloaded, and replaces the one before;
            otherwise it returns 4.05, as with the Java devices.
    """

    fault: FirmwareFault | None = None
    times: int | None = None
    delivery: Delivery = Delivery.BOTH
    resumes: int = 0
    download_ms: float = 0.0
    downloaded_ms: float = 0.0
    update_ms: float = 0.0
    boot_ms: float | None = None
    reports: Reports = Reports.ONCE
    report_delay_ms: float = 0.0
    version: str | None = None
    replaces: bool = True

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Read the form of the control address: the attributes' names.

        Raises:
            ValueError: an unknown field or name.
        """
        unknown = set(fields) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"a firmware behaviour has no {', '.join(sorted(unknown))}")
        enums = {"fault": FirmwareFault, "delivery": Delivery, "reports": Reports}
        named = {name: enums[name](fields[name]) for name in enums if fields.get(name) is not None}
        return cls(**{**fields, **named})


NORMAL: Final = FirmwareBehaviour()


@dataclass(slots=True)
class FirmwareRecord:
    """The behavior of one device, and what it did in firmware updates.

    Attributes:
        downloads: downloads that began; ``resumed``: how often one was resumed.
        pushed: packages received by 5/0/0.
        updates: accepted Executes of 5/0/2.
        failures: faults that happened.
        applied: how often an image was installed, by its version.
    """

    behaviour: FirmwareBehaviour = NORMAL
    downloads: int = 0
    resumed: int = 0
    pushed: int = 0
    updates: int = 0
    failures: int = 0
    applied: Counter[str] = field(default_factory=Counter)
    _left: int | None = None

    def __post_init__(self) -> None:
        self._left = self.behaviour.times

    def behave(self, behaviour: FirmwareBehaviour) -> None:
        """Set the behavior from now on. A failure that is under way continues."""
        self.behaviour = behaviour
        self._left = behaviour.times

    def expects(self, fault: FirmwareFault) -> bool:
        """Return whether the next failure is this one."""
        return self.behaviour.fault is fault and self._left != 0

    def take(self, *faults: FirmwareFault) -> FirmwareFault | None:
        """Return the next failure if it is one of these, and count it."""
        found = next(filter(self.expects, faults), None)
        if found is not None:
            self.failures += 1
            self._left = None if self._left is None else self._left - 1
        return found

    def counts(self) -> dict[str, Any]:
        """Return the counts for people and tests."""
        names = ("downloads", "resumed", "pushed", "updates", "failures")
        return {**{name: getattr(self, name) for name in names}, "applied": dict(self.applied)}
