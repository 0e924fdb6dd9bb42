"""The devices and their state at the server: registration, presence, notifications. Timers only, no tasks.

Presence is that of stock Leshan: AWAKE and SLEEPING only when the state changes; a registration, an update and every
response of the device restart the window; NOTIFICATION and SEND do not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any

from simulator.config import Mode, SimulatorConfig
from simulator.device import ROOT_LINK_OF_UPDATE, Device, Registration
from simulator.events import Events
from simulator.nodes import Path, java_double
from simulator.objects import Objects, pristine_tree, text
from simulator.responses import Refused

_TEMPERATURE: Path = (3303, 0, 5700)
_LIFETIME: Path = (1, 0, 1)


class Interruption(Enum):
    """The reason why a wait ended."""

    ELAPSED = auto()
    CANCELLED = auto()
    """The device registered again or came from another address: Leshan cancels its open calls."""
    STOPPED = auto()


def settle(wait: asyncio.Future[Interruption], how: Interruption) -> None:
    """End a wait, if it has not ended already."""
    if not wait.done():
        wait.set_result(how)


class Fleet:
    """All devices. Methods are called in the running loop; ``woken`` is called at each contact that begins a wake."""

    def __init__(self, config: SimulatorConfig, events: Events) -> None:
        self._config = config
        self._events = events
        self._pristine = pristine_tree(config.objects)
        if 1 in self._pristine:
            self._pristine[1][0][1] = str(config.lifetime_seconds)
        if 5 in self._pristine:
            self._pristine[5][0][9] = config.firmware.delivery.code
        self.devices: dict[str, Device] = {}
        self.woken: Callable[[Device], None] = lambda _: None

    # --- adding and finding devices

    def add(self, name: str, *, queue_mode: bool | None = None) -> Device:
        """Add a device, not registered yet. If the name exists, its device is returned unchanged."""
        if name in self.devices:
            return self.devices[name]
        config = self._config
        device = Device(
            name,
            seed=config.seed,
            queue_mode=True,
            objects=Objects(self._pristine),
            kept=config.received_kept,
        )
        device.firmware_behaviour = config.firmware
        device.queue_mode = device.dice.share() < config.queue_mode_share if queue_mode is None else queue_mode
        self.devices[name] = device
        return device

    def remove(self, device: Device) -> None:
        """Deregister a device and remove it."""
        self.deregister(device)
        device.disarm_all()
        self.devices.pop(device.name, None)

    def registered(self, name: str) -> Device | None:
        """Return the device of a registered client."""
        device = self.devices.get(name)
        return device if device is not None and device.registration is not None else None

    # --- actions of devices

    def start(self, device: Device) -> None:
        """Start a device: its timers run again; an autonomous one wakes within ``start_within_seconds``."""
        if device.registration is not None:
            self.arm(device, "lifetime", self._left(device), self._expire)
        if device.awake:
            self._window_ended(device)
        if self._config.autonomous:
            self._arm_wake(device, device.dice.share() * self._config.start_within_seconds)

    def register(self, device: Device, *, old_after: bool = False) -> None:
        """Send REGISTRATION with a new id; an existing one is replaced, its DEREGISTRATION published before or
        after."""
        old = device.registration
        if old is not None and not old_after:
            self._events.deregistered(device, old)
        self._drop_server_state(device)
        now = int(time.time() * 1000)
        device.registration = Registration(
            id=device.dice.text(10),
            date=now,
            last_update=now,
            address=self._address(device),
            lifetime=self._lifetime(device),
            attributes=self._config.registration_attributes,
        )
        self._contact(device, "REGISTRATION")
        self._events.registered(device, device.registration)
        if old is not None and old_after:
            self._events.deregistered(device, old)
        self._alive(device)

    def update(self, device: Device, *, new_address: bool = False, with_links: bool = False) -> None:
        """Send UPDATED; a device that is not registered registers instead, as Leshan would make it do."""
        registration = device.registration
        if registration is None:
            self.register(device)
            return
        registration.last_update = max(int(time.time() * 1000), registration.last_update + 1)
        registration.lifetime = self._lifetime(device)
        if new_address:
            registration.address = self._address(device)
            registration.observed.clear()  # Leshan still lists them, but rejects notifications from the new address
            self._cancel_calls(device)
        if with_links:
            registration.root_link = ROOT_LINK_OF_UPDATE
        self._contact(device, "UPDATE")
        self._events.updated(device, registration, with_links=with_links)
        self._alive(device)

    def sleep(self, device: Device) -> None:
        """Make the device stop receiving now; in queue mode the server knows it (SLEEPING)."""
        device.deaf = True
        if device.awake:
            self.taken_asleep(device)

    def deregister(self, device: Device) -> None:
        """Send DEREGISTRATION, by the device's own request or because its lifetime expired."""
        registration = device.registration
        if registration is None:
            return
        self._drop_server_state(device)
        self._events.deregistered(device, registration)
        device.registration = None
        if self._config.autonomous:
            self._arm_wake(device, device.dice.within(self._config.asleep_seconds))

    def reboot(self, device: Device) -> None:
        """Take the device down: it deregisters, and registers again after ``reboot_seconds``."""
        self.deregister(device)
        device.deaf = True
        device.disarm("wake")
        if self._config.reboot_seconds is not None:
            self.arm(device, "wake", self._config.reboot_seconds, self.register)

    @property
    def reboot_seconds(self) -> float | None:
        """Duration of a reboot; None: until a command registers the device."""
        return self._config.reboot_seconds

    def turn_off(self, device: Device, seconds: float | None) -> None:
        """Take the device down without a deregistration; it loses its observations, and registers again after a time
        (None: on command)."""
        device.deaf = device.off = True
        device.disarm("wake")
        if device.registration is not None:
            device.registration.observed.clear()
        if seconds is not None:
            self.arm(device, "wake", seconds, self.register)

    def forget_registrations(self) -> None:
        """Apply the effect of a restart of Leshan: all registrations and delayed requests are lost, without an
        event."""
        for device in self.devices.values():
            self._drop_server_state(device)
            device.registration = None
            if self._config.autonomous and "wake" not in device.timers:
                self._arm_wake(device, device.dice.within(self._config.asleep_seconds))

    def notify(self, device: Device, path: Path) -> int:
        """Send NOTIFICATION for every observation that covers the path; return their number."""
        registration = device.registration
        observations = [] if registration is None else sorted(registration.observed)
        sent = 0
        for composite, paths in observations:
            if any(path[: len(other)] == other or other[: len(path)] == path for other in paths):
                sent += 1
                self._notify(device, composite, paths)
        if sent:
            self._reported(device, "NOTIFICATION")
        return sent

    def notify_anyway(self, device: Device, path: Path) -> None:
        """Send one NOTIFICATION of this path, observed or not."""
        self._notify(device, False, (path,))
        self._reported(device, "NOTIFICATION")

    def _notify(self, device: Device, composite: bool, paths: tuple[Path, ...]) -> None:
        try:
            if composite:
                self._events.notified_composite(device, device.objects.read_many(paths), map(text, paths))
            else:
                self._events.notified(device, text(paths[0]), device.objects.read(paths[0]))
        except Refused:
            return

    def send(self, device: Device, paths: Iterable[Path]) -> None:
        """Publish a SEND with the present values of these paths."""
        self._events.sent(device, device.objects.read_many(paths))
        self._reported(device, "SEND")

    # --- the server's view of a device

    def answered(self, device: Device) -> None:
        """Restart the device's window, as every response of the device does."""
        if device.registration is not None:
            self._present(device, "ANSWER")

    def taken_asleep(self, device: Device) -> None:
        """Publish SLEEPING: the device's window ended, or it did not answer a request."""
        if not device.awake:
            return
        device.awake = False
        device.disarm("window")
        self._events.sleeping(device)
        if self._config.autonomous and "wake" not in device.timers:
            self._arm_wake(device, device.dice.within(self._config.asleep_seconds))

    def close(self) -> None:
        """End all timers and waits."""
        for device in self.devices.values():
            device.disarm_all()
            for wait in list(device.waits):
                settle(wait, Interruption.STOPPED)

    # --- internals

    def _contact(self, device: Device, cause: str) -> None:
        device.deaf = device.off = False
        self._present(device, cause)

    def _present(self, device: Device, cause: str) -> None:
        """Restart the device's window. Stock Leshan publishes AWAKE only for a device that was asleep."""
        loop = asyncio.get_running_loop()
        config = self._config
        if config.listen_seconds is not None:
            device.arm("listen", loop.call_later(config.listen_seconds, setattr, device, "deaf", True))
        if not device.queue_mode:
            return
        device.awake_until = loop.time() + config.awake_window_seconds
        if not device.awake or config.mode is Mode.REVEILLE:
            device.awake = True
            self._events.awake(device, cause, time.time() + config.awake_window_seconds)
        if "window" not in device.timers:
            device.arm("window", loop.call_at(device.awake_until, self._window_ended, device))

    def _window_ended(self, device: Device) -> None:
        loop = asyncio.get_running_loop()
        device.disarm("window")
        if loop.time() < device.awake_until - 0.001:
            device.arm("window", loop.call_at(device.awake_until, self._window_ended, device))
        else:
            self.sleep(device)

    def _alive(self, device: Device) -> None:
        """Set the lifetime after a registration or update, send the delayed request, and schedule an autonomous
        device's next wake."""
        if "lifetime" not in device.timers:
            self.arm(device, "lifetime", self._left(device), self._expire)
        self.woken(device)
        if self._config.autonomous:
            device.disarm("wake")
            if not device.queue_mode:
                pause = self._config.awake_window_seconds + device.dice.within(self._config.asleep_seconds)
                self._arm_wake(device, pause)

    def _left(self, device: Device) -> float:
        registration = device.registration
        return 0.0 if registration is None else registration.last_update / 1000 + registration.lifetime - time.time()

    def _expire(self, device: Device) -> None:
        left = self._left(device)
        if left > 0:
            self.arm(device, "lifetime", left, self._expire)
        elif self._config.autonomous and not device.deaf:
            self.update(device)
        else:
            self.deregister(device)

    def _wake(self, device: Device) -> None:
        """Wake an autonomous device."""
        if device.dice.share() < self._config.update_with_registration_share:
            self.register(device)
        else:
            self.update(device)
        if device.objects.value(_TEMPERATURE) is not None:
            warmer = float(device.objects.value(_TEMPERATURE)) + device.dice.within((-0.5, 0.5))
            device.objects.put(_TEMPERATURE, java_double(round(warmer, 1)))
            self.notify(device, _TEMPERATURE)

    def _arm_wake(self, device: Device, seconds: float) -> None:
        if not device.off:
            self.arm(device, "wake", min(seconds, 0.8 * self._lifetime(device)), self._wake)

    def arm(self, device: Device, name: str, seconds: float, act: Callable[[Device], Any]) -> None:
        """Set or replace one of a device's timers."""

        def fire() -> None:
            device.timers.pop(name, None)
            act(device)

        device.arm(name, asyncio.get_running_loop().call_later(seconds, fire))

    def _reported(self, device: Device, cause: str) -> None:
        if self._config.mode is Mode.REVEILLE and device.registration is not None:
            self._present(device, cause)

    def _drop_server_state(self, device: Device) -> None:
        device.awake = False
        device.delayed = None
        device.disarm("window")
        device.disarm("lifetime")
        self._cancel_calls(device)

    def _cancel_calls(self, device: Device) -> None:
        for wait in list(device.waits):
            settle(wait, Interruption.CANCELLED)

    def _lifetime(self, device: Device) -> int:
        value = device.objects.value(_LIFETIME)
        return self._config.lifetime_seconds if value is None else int(value)

    def _address(self, device: Device) -> str:
        return f"127.0.0.1:{32_768 + device.dice.below(28_000)}"
