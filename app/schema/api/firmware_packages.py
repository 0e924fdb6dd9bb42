"""GraphQL fields of firmware packages: list, create by address, delete. An upload creates one by
``app/schema/transport/firmware_upload.py``."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import strawberry

from app.domain.firmware_object import MAX_URI, SCHEMES
from app.domain.values import INTEGER_RANGE
from app.fleet.package_store import new_key
from app.fleet.packages import CreateFirmwarePackage, RetireFirmwarePackage
from app.models.queries import firmware_package_by_id, firmware_packages
from app.schema.api.checks import plain_text, within
from app.schema.api.context import Info
from app.schema.api.fields import mutation, resolved
from app.schema.api.ids import NoSuchId, parse_package_id
from app.schema.api.inputs import FirmwarePackageInput
from app.schema.api.ledger_gateway import submit
from app.schema.api.types.firmware_package import FirmwarePackage, package_of
from app.schema.errors import ApiError, Code, bad_input
from app.security import Role

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_URI: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of a URI (RFC 3986)."""


@strawberry.type
class FirmwarePackageQuery:
    @resolved("Firmware packages, newest first; at most 500 can exist.")
    async def firmware_packages(self, info: Info) -> list[FirmwarePackage] | None:
        base = info.context.services.firmware.url
        return [package_of(view, base) for view in await firmware_packages()]


@strawberry.type
class FirmwarePackageMutation:
    @mutation(
        "Create a firmware package that devices download from another server; one that Reveille serves is uploaded by "
        "`POST /firmware`. LIMIT_EXCEEDED if there are 500.",
        Role.OPERATOR,
    )
    async def create_firmware_package(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            FirmwarePackageInput, strawberry.argument(description="Package to create.")
        ],
    ) -> FirmwarePackage | None:
        command = CreateFirmwarePackage(
            name=package_text(input.name, "name"),
            version=package_text(input.version, "version"),
            uri=_package_address(input.uri),
            size=None if input.size is None else within((1, INTEGER_RANGE[1]))(input.size, "size"),
            sha256=None if input.sha256 is None else package_digest(input.sha256, "sha256"),
            key=new_key(),
            by=info.context.viewer.name,
        )
        view = await firmware_package_by_id(await submit(info.context, command))
        return package_of(view, info.context.services.firmware.url) if view else None

    @mutation(
        "Remove a firmware package from the list, delete its content if it was uploaded, and return its id. CONFLICT "
        "while a firmware update or a campaign that has not ended needs it.",
        Role.OPERATOR,
    )
    async def delete_firmware_package(
        self,
        info: Info,
        id: Annotated[  # noqa: A002
            strawberry.ID, strawberry.argument(description="Global id of the package. NOT_FOUND if there is none.")
        ],
    ) -> strawberry.ID | None:
        try:
            key = parse_package_id(id)
        except NoSuchId:
            raise ApiError(Code.NOT_FOUND, "Unknown firmware package.", field="id") from None
        view = await firmware_package_by_id(key)
        await submit(info.context, RetireFirmwarePackage(key))
        if view is not None and view.uri is None:
            await info.context.services.firmware.discard(view.key)
        return id


def package_text(text: str, field: str) -> str:
    """Check the name or the version of a package. Raise ApiError with BAD_USER_INPUT: blank, or as
    :func:`plain_text` does."""
    if text.isspace():
        raise bad_input("Blank text; at least one visible character is expected.", field)
    return plain_text(text, field)


def package_digest(text: str, field: str) -> str:
    """Return a SHA-256 in lower case. Raise ApiError with BAD_USER_INPUT: not 64 hex digits."""
    if not _SHA256.fullmatch(text):
        raise bad_input("Invalid SHA-256; 64 hex digits are expected.", field)
    return text.lower()


def _package_address(uri: str) -> str:
    """Check the address of a package (LwM2M Core 1.1, appendix E.6: Package URI)."""
    if not 1 <= len(uri) <= MAX_URI or not _URI.fullmatch(uri):
        message = f"Invalid URI; 1 to {MAX_URI} characters that a URI may have (RFC 3986) are expected."
        raise bad_input(message, "uri")
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise bad_input("Invalid URI; its host or port cannot be read.", "uri") from None
    if parts.scheme not in SCHEMES or not host:
        raise bad_input(f"Invalid URI; one of the schemes {', '.join(SCHEMES)}, and a host, are expected.", "uri")
    return uri
