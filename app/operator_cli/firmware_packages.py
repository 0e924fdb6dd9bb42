"""``reveille firmware``: upload, add, list and delete firmware packages."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from app.command_error import CommandError
from app.operator_cli import documents
from app.operator_cli.connection import Api
from app.operator_cli.tables import age, echo, print_json, show, table
from app.printable import printable

Package = dict[str, Any]
CHUNK: Final = 256 * 1024
_COLUMNS: Final = ("name", "version", "size", "sha256", "uri", "created by", "age", "id")


def listing(api: Api, *, as_json: bool) -> None:
    """List all packages."""
    found = api.execute(documents.PACKAGES)["firmwarePackages"]
    if as_json:
        print_json(found)
    else:
        show(table("firmware packages", _COLUMNS, map(_row, found)))


def upload(api: Api, file: Path, name: str, version: str, *, as_json: bool) -> None:
    """Upload a package, with a progress bar on a terminal.

    Raises:
        CommandError: the file cannot be read; Refused; Unreachable.
    """
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            size = opened.tell()
            opened.seek(0)
            with _sent(opened, size) as content:
                given = {"name": name, "version": version, "sha256": digest}
                package = api.upload("/firmware", content, size, given)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from None
    _print(package, as_json=as_json)


@contextlib.contextmanager
def _sent(file: BinaryIO, size: int) -> Iterator[Iterator[bytes]]:
    """Yield the chunks of a file; a progress bar shows how many were sent, if standard error is a terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("uploading", total=size)

        def chunks() -> Iterator[bytes]:
            while chunk := file.read(CHUNK):
                yield chunk
                progress.advance(task, len(chunk))

        yield chunks()


def add(api: Api, given: Package, *, as_json: bool) -> None:
    """Add a package by its address."""
    _print(api.execute(documents.CREATE_PACKAGE, input=given)["createFirmwarePackage"], as_json=as_json)


def delete(api: Api, named: str, *, yes: bool, as_json: bool) -> None:
    """Delete a package, after a confirmation."""
    package = package_named(api, named)
    label = f"{package['name']} {package['version']}"
    if not yes:
        typer.confirm(f"delete {printable(label)}?", abort=True, err=True)
    id_ = api.execute(documents.DELETE_PACKAGE, id=package["id"])["deleteFirmwarePackage"]
    if as_json:
        print_json({"id": id_})
    else:
        echo(f"deleted: {label}")


def package_named(api: Api, named: str) -> Package:
    """Return the package with this id or name, or with this name and version: NAME@VERSION."""
    packages = api.execute(documents.PACKAGES)["firmwarePackages"]
    found = [one for one in packages if named in {one["id"], one["name"], f"{one['name']}@{one['version']}"}]
    if not found:
        raise CommandError(f"{named}: unknown package; see: reveille firmware list")
    if len(found) > 1:
        raise CommandError(f"{named}: {len(found)} packages are named so; expected NAME@VERSION or an id")
    package: Package = found[0]
    return package


def _print(package: Package, *, as_json: bool) -> None:
    if as_json:
        print_json(package)
        return
    show(table("firmware package", ("field", "value"), list(package.items())))
    if package["uri"] is None:
        echo("Devices cannot download it: REVEILLE_FIRMWARE_URL is not set.", err=True)


def _row(package: Package) -> list[Any]:
    digest = (package["sha256"] or "")[:12]
    facts = package["name"], package["version"], package["size"], digest, package["uri"], package["createdBy"]
    return [*facts, age(package["createdAt"]), package["id"]]
