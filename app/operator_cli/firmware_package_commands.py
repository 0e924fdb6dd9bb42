"""The commands of ``reveille firmware`` for packages, as in ``commands.py``."""

# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from app.operator_cli.firmware_commands import firmware
from app.operator_cli.options import DEFAULT_URL, AsJson, Confirmed, Token, Url

Name: TypeAlias = Annotated[str, typer.Option("--name", "-n", help="Name of the package.")]
Version: TypeAlias = Annotated[
    str, typer.Option("--version", "-v", help="Version exactly as devices that run it report it (/3/0/3).")
]

__all__ = ["firmware"]


@firmware.command("list")
def list_(*, as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """List all packages, newest first."""
    from app.operator_cli.connection import Api
    from app.operator_cli.firmware_packages import listing

    listing(Api(url, token), as_json=as_json)


@firmware.command()
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The package.", exists=True, dir_okay=False)],
    *,
    name: Name,
    version: Version,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Upload a package, which devices then download from Reveille (reveille firmware upload fw.bin -n meter -v 1.2.0).
    Its SHA-256 is computed before, and verified by Reveille."""
    from app.operator_cli import firmware_packages
    from app.operator_cli.connection import Api

    firmware_packages.upload(Api(url, token), file, name, version, as_json=as_json)


@firmware.command()
def add(
    *,
    name: Name,
    version: Version,
    uri: Annotated[str, typer.Option("--uri", help="Address from which devices download it.")],
    size: Annotated[int | None, typer.Option("--size", help="Size in bytes.")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="SHA-256 as 64 hex digits.")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Add a package that devices download from another server."""
    from app.operator_cli import firmware_packages
    from app.operator_cli.connection import Api

    given = {"name": name, "version": version, "uri": uri, "size": size, "sha256": sha256}
    firmware_packages.add(Api(url, token), given, as_json=as_json)


@firmware.command()
def delete(
    package: Annotated[
        str,
        typer.Argument(metavar="PACKAGE", help="Name of the package, NAME@VERSION if there are several, or its id."),
    ],
    *,
    yes: Confirmed = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Delete a package and its content, unless an update or a campaign that has not ended needs it."""
    from app.operator_cli import firmware_packages
    from app.operator_cli.connection import Api

    firmware_packages.delete(Api(url, token), package, yes=yes, as_json=as_json)
