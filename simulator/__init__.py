"""A Leshan simulator over real HTTP, with devices that sleep: for ``make run`` without a Leshan server, and for tests.

It uses the same protocol as a stock Leshan 2.0.0-M18 (verified against recorded exchanges) and shares no code with its
clients.

- in a test: ``async with Simulator(SimulatorConfig.manual("dev-1")).serve() as sim: sim.register("dev-1") ..``
- inside another process: the same, with ``SimulatorConfig.demo()``, as long as the process runs
- as a process: :func:`run_simulator`
- from outside: ``/sim`` (``control.py``)

``firmware`` is the state machine of firmware updates, and ``firmware_behaviours`` has their failures.

``requests`` parses requests to Leshan, ``exchange`` brings them to a ``device`` and back, ``client`` carries them out
on the device, ``fleet`` maintains registrations and presence, ``events`` publishes them, ``faults`` and ``wire`` break
things.
"""

from simulator.behaviours import Behaviour, Kind
from simulator.config import Mode, SimulatorConfig
from simulator.device import Device, Received
from simulator.firmware_behaviours import Delivery, FirmwareBehaviour, FirmwareFault, Reports
from simulator.simulator import Simulator, run_simulator

__all__ = [
    "Behaviour",
    "Delivery",
    "Device",
    "FirmwareBehaviour",
    "FirmwareFault",
    "Kind",
    "Mode",
    "Received",
    "Reports",
    "Simulator",
    "SimulatorConfig",
    "run_simulator",
]
