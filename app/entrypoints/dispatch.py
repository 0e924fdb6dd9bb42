"""``reveille dispatch``: send operations to Leshan when devices are awake."""

from __future__ import annotations

from app.dispatcher.dispatcher import Dispatcher
from app.dispatcher.inquiry import Inquirer
from app.dispatcher.pushed_packages import PushedPackages
from app.dispatcher.runner import Runner
from app.dispatcher.sweeper import Sweeper
from app.dispatcher.withdrawing import Withdrawer
from app.entrypoints.leshan_calls import LeshanCalls, calling_leshan
from app.entrypoints.worker import run_worker
from app.fleet.packages import package_uri
from app.fleet.runner import FleetRunner
from app.fleet.updates import UpdateRules
from app.ingest.model_fetcher import ModelFetcher
from app.process import Components, firmware_storage
from app.settings import Settings


async def run_dispatcher(settings: Settings, health_port: int | None) -> None:
    """Dispatch until a signal arrives. Raise the exceptions of :func:`run_worker`."""
    await run_worker(settings, "dispatch", calling_leshan(start_dispatching), health_port)


def start_dispatching(components: Components, calls: LeshanCalls) -> None:
    """Start the dispatcher with its sweeper and the fleet work; without an event stream also the reconciler."""
    settings, timing, ledger = components.settings, components.timing, components.ledger
    client, clock = calls.client, components.clock
    fetcher = ModelFetcher(components.object_models, client, ledger, timing)
    firmware = firmware_storage(settings)
    packages = PushedPackages(firmware, settings.firmware_max_push)
    models, name = components.object_models, settings.leshan_name
    runner = Runner(client, ledger, models, fetcher, server=name, packages=packages, timing=timing)
    components.dispatcher = Dispatcher(
        ledger,
        components.bus,
        runner,
        slots=settings.leshan_max_in_flight,
        pieces=1 if settings.is_embedded_database else 2,
        clock=clock,
        timing=timing,
    )
    inquirer = Inquirer(client, ledger, models)
    withdrawer = Withdrawer(client, ledger, clock=clock)
    calls.start(fetcher.run())
    calls.start(Sweeper(ledger, client, inquirer, calls.watch, withdrawer, clock=clock, timing=timing).run())
    calls.start(components.dispatcher.run())
    max_push = settings.firmware_max_push if firmware.store is not None else 0
    rules = UpdateRules(uri_of=lambda package: package_uri(package, firmware.url), max_push=max_push)
    calls.start(FleetRunner(ledger, components.bus, rules, clock=clock, timing=timing).run())
    if not settings.uses_stream:
        calls.start(calls.reconciler.run_without_stream())
