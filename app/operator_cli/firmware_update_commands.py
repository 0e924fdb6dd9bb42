"""The commands of ``reveille firmware`` that update single devices, as in ``commands.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from app.operator_cli.firmware_package_commands import firmware
from app.operator_cli.options import DEFAULT_URL, UPDATE_FILTER, AsJson, Filter, Token, Url, filtered_by

__all__ = ["firmware"]

Update: TypeAlias = Annotated[
    str, typer.Argument(metavar="UPDATE", help="Id of a firmware update, or the name of an endpoint: its newest one.")
]


@firmware.command()
def update(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name of the endpoint.")],
    package: Annotated[
        str,
        typer.Argument(metavar="PACKAGE", help="Name of the package, NAME@VERSION if there are several, or its id."),
    ],
    *,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="pull: the device downloads it. push: it is written to it.")
    ] = None,
    instance: Annotated[
        int, typer.Option("--instance", "-i", min=0, help="Instance of the Firmware Update object.")
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until it has ended; exit with 4 if it has not SUCCEEDED.")
    ] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Update the firmware of one device (reveille firmware update dev-1 meter@2.0.1 --wait). It begins when the device
    is awake, and goes on whatever happens to this command."""
    from app.operator_cli import firmware_updates
    from app.operator_cli.connection import Api

    api = Api(url, token)
    made = firmware_updates.create(api, endpoint, package, method, instance, as_json=as_json)
    if wait:
        firmware_updates.wait(api, made, as_json=as_json)


@firmware.command()
def show(update_: Update, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show all fields of a firmware update, and its newest operations."""
    from app.operator_cli.connection import Api
    from app.operator_cli.firmware_updates import showing

    showing(Api(url, token), update_, as_json=as_json)


@firmware.command()
@filtered_by(UPDATE_FILTER)
def updates(
    *,
    criteria: Filter,
    first: Annotated[int, typer.Option("--first", "-n", min=1, help="Maximum number of updates, newest first.")] = 50,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List firmware updates, newest first (reveille firmware updates --state failed)."""
    from app.operator_cli.connection import Api
    from app.operator_cli.firmware_updates import listing

    listing(Api(url, token), criteria, first, as_json=as_json)


@firmware.command()
def cancel(update_: Update, *, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Cancel a firmware update that has not ended, and show what that means for the device."""
    from app.operator_cli.connection import Api
    from app.operator_cli.firmware_updates import canceling

    canceling(Api(url, token), update_, as_json=as_json)
