"""A Leshan look-alike over real HTTP, with devices that sleep: for ``make run`` without a Leshan server, and for tests.

It speaks the wire as a stock Leshan 2.0.0-M18 does (judged by recorded exchanges) and
shares no code with what speaks to it.

- in a test: ``async with Simulator(SimulatorConfig.told("dev-1")).serve() as sim: sim.register("dev-1") ..``
- inside another process: the same, with ``SimulatorConfig.demo()``, as long as the process runs
- as a process: :func:`run_simulator`
- from outside: ``/sim`` (``control.py``)

``requests`` reads what Leshan is asked, ``exchange`` brings it to a ``device`` and back, ``client`` is what the device
does with it, ``fleet`` keeps registrations and presence, ``events`` tells them, ``faults`` and ``wire`` break things.
"""

from simulator.behaviours import Behaviour, Kind
from simulator.config import Mode, SimulatorConfig
from simulator.device import Device, Received
from simulator.simulator import Simulator, run_simulator

__all__ = ["Behaviour", "Device", "Kind", "Mode", "Received", "Simulator", "SimulatorConfig", "run_simulator"]
