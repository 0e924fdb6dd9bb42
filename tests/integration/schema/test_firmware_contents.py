"""Upload and download of firmware packages, in a directory and in an S3-compatible store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from app.fleet import package_store
from app.fleet.package_store import DirectoryStore, FirmwareStorage, StorageFailed, new_key, open_package_store
from app.fleet.packages import CreateFirmwarePackage
from app.models.ledger import Ledger, LedgerUnavailable
from app.models.live import LiveLog
from app.models.queries import stored_package_keys
from app.schema.transport import firmware_download, firmware_upload
from tests.support.api import Api
from tests.support.ledger import LedgerWorld
from tests.support.schema import ADMIN, OPERATOR, VIEWER, app_of, served
from tests.support.servers.s3 import BUCKET, incomplete_uploads, s3_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PACKAGE: Final = bytes(range(256)) * 3_000
BASE: Final = "http://10.0.0.5:8000"
MAX_SIZE: Final = 7 * 1024 * 1024
DELETE: Final = "mutation($id: ID!) { deleteFirmwarePackage(id: $id) }"
AUDIT: Final = "{ auditLog { edges { node { action target actor detail } } } }"


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirmwareStorage:
    address = str(tmp_path / "packages")
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3").items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/{tmp_path.name}"
    return FirmwareStorage(open_package_store(address), BASE, MAX_SIZE)


@pytest_asyncio.fixture
async def firmware(world: LedgerWorld, live: LiveLog, storage: FirmwareStorage) -> AsyncIterator[Api]:
    client = Api.within(app_of(world, live, firmware=storage), OPERATOR)
    async with client.http:
        yield client


async def upload(api: Api, content: bytes = PACKAGE, token: str = OPERATOR, **more: Any) -> httpx.Response:
    headers = {"content-type": "application/octet-stream", "authorization": f"Bearer {token}"}
    headers |= more.pop("headers", {})
    parameters = {"name": "meter", "version": "1.1.1", **more}
    return await api.http.post("/firmware", content=content, params=parameters, headers=headers)


async def keys(storage: FirmwareStorage) -> set[str]:
    assert storage.store is not None
    return {key async for key, _ in storage.store.stored()}


def target(package: dict[str, Any]) -> str:
    """Return the path and query of a package's address for devices."""
    parts = urlsplit(package["uri"])
    return f"{parts.path}?{parts.query}"


async def test_an_uploaded_package_is_stored_served_and_deleted(firmware: Api, storage: FirmwareStorage) -> None:
    digest = hashlib.sha256(PACKAGE).hexdigest()
    answer = await upload(firmware, sha256=digest.upper())
    package = answer.json()
    assert (answer.status_code, package["size"], package["sha256"]) == (201, len(PACKAGE), digest)
    listed = (await firmware.ask("{ firmwarePackages { id name version uri size sha256 createdBy } }"))[
        "firmwarePackages"
    ]
    assert listed == [{**package, "size": str(package["size"]), "createdBy": "olga"}]
    assert package["uri"].startswith(f"{BASE}/firmware/")
    assert len(package["uri"]) <= len(BASE) + 66
    entry = (await firmware.ask(AUDIT, ADMIN))["auditLog"]["edges"][0]["node"]
    facts = {name: package[name] for name in ("name", "version", "size", "sha256")}
    assert entry == {"action": "createFirmwarePackage", "target": "meter", "actor": "olga", "detail": facts}

    whole = await firmware.http.get(target(package))
    assert (whole.status_code, whole.content) == (200, PACKAGE)
    assert {name: whole.headers[name] for name in ("etag", "accept-ranges", "content-length", "content-type")} == {
        "etag": f'"{digest}"',
        "accept-ranges": "bytes",
        "content-length": str(len(PACKAGE)),
        "content-type": "application/octet-stream",
    }
    head = await firmware.http.head(target(package), headers={"range": "bytes=0-1"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PACKAGE)))
    for given, start, stop in (("bytes=1000-1999", 1_000, 2_000), ("bytes=-7", len(PACKAGE) - 7, len(PACKAGE))):
        part = await firmware.http.get(target(package), headers={"range": given, "if-range": f'"{digest}"'})
        assert (part.status_code, part.content) == (206, PACKAGE[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(PACKAGE)}"
        assert part.headers["content-length"] == str(stop - start)
    outside = await firmware.http.get(target(package), headers={"range": f"bytes={len(PACKAGE)}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{len(PACKAGE)}")
    known = await firmware.http.get(target(package), headers={"if-none-match": f'"{digest}"'})
    assert (known.status_code, known.content) == (304, b"")

    assert len(await keys(storage)) == 1
    await firmware.ask(DELETE, id=package["id"])
    assert await keys(storage) == set()
    assert (await firmware.http.get(target(package))).status_code == 404


async def test_only_the_key_or_a_credential_opens_a_package(firmware: Api) -> None:
    package = (await upload(firmware)).json()
    path, _, key = target(package).partition("?key=")
    refused = [f"{path}?key={'0' * 32}", f"{path}?key={key[:-1]}", path, f"/firmware/999?key={key}", "/firmware/x"]
    answers = [await firmware.http.get(one) for one in refused]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    viewer = {"authorization": f"Bearer {VIEWER}"}
    for one in (path, f"/firmware/{package['id']}", f"{path}?key={'0' * 32}"):
        assert (await firmware.http.get(one, headers=viewer)).content == PACKAGE
    assert (await firmware.http.get(path, headers={"authorization": "Bearer wrong"})).status_code == 401
    assert (await firmware.http.get("/firmware", headers=viewer)).status_code == 405
    external = 'mutation { createFirmwarePackage(input: { name: "n", version: "1", uri: "coap://h/f" }) { id } }'
    id_ = (await firmware.ask(external))["createFirmwarePackage"]["id"]
    assert (await firmware.http.get(f"/firmware/{id_}", headers=viewer)).status_code == 404


async def test_a_refused_upload_leaves_nothing(firmware: Api, storage: FirmwareStorage) -> None:
    wrong = base64.b64encode(b"x" * 32).decode()
    digest = base64.b64encode(hashlib.sha256(PACKAGE).digest()).decode()

    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(MAX_SIZE // len(PACKAGE) + 1):
            yield PACKAGE

    cases: list[tuple[dict[str, Any], int, str, str | None]] = [
        ({"token": VIEWER}, 403, "FORBIDDEN", None),
        ({"token": "none"}, 401, "UNAUTHENTICATED", None),
        ({"name": " "}, 400, "BAD_USER_INPUT", "name"),
        ({"version": ""}, 400, "BAD_USER_INPUT", "version"),
        ({"size": "1"}, 400, "BAD_USER_INPUT", "size"),
        ({"sha256": "x"}, 400, "BAD_USER_INPUT", "sha256"),
        ({"sha256": "0" * 64}, 400, "BAD_USER_INPUT", "sha256"),
        ({"headers": {"content-digest": f"sha-256=:{wrong}:"}}, 400, "BAD_USER_INPUT", "sha256"),
        ({"headers": {"content-type": "text/plain", "origin": "http://elsewhere"}}, 415, "BAD_USER_INPUT", None),
        ({"headers": {"content-type": "", "origin": "http://elsewhere"}}, 415, "BAD_USER_INPUT", None),
        ({"headers": {"content-type": "multipart/form-data; boundary=x"}}, 415, "BAD_USER_INPUT", None),
        ({"headers": {"content-encoding": "gzip"}}, 415, "BAD_USER_INPUT", None),
        ({"content": b""}, 400, "BAD_USER_INPUT", None),
        ({"headers": {"content-length": str(MAX_SIZE + 1)}}, 413, "LIMIT_EXCEEDED", None),
        ({"content": too_much()}, 413, "LIMIT_EXCEEDED", None),
    ]
    for given, status, code, field in cases:
        answer = await upload(firmware, **given)
        (error,) = answer.json()["errors"]
        found = answer.status_code, error["extensions"]["code"], error["extensions"].get("field")
        assert found == (status, code, field), given
        assert await keys(storage) == set(), given
    accepted = await upload(firmware, headers={"content-digest": f"md5=:AAAA:, sha-256=:{digest}:"})
    assert accepted.status_code == 201


async def test_an_upload_that_is_broken_off_leaves_nothing(
    world: LedgerWorld, live: LiveLog, storage: FirmwareStorage
) -> None:
    async with served(app_of(world, live, firmware=storage)) as address:
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /firmware?name=n&version=1 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {OPERATOR}\r\n"
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {MAX_SIZE}\r\n\r\n"
        writer.write(head.encode() + bytes(6 * 1024 * 1024))
        await writer.drain()
        begun = incomplete_uploads
        if isinstance(storage.store, DirectoryStore):
            begun = partial(os.listdir, storage.store._folder)
        await eventually(lambda: begun() != [])
        writer.close()
        await eventually(lambda: begun() == [])
    assert await world.rows("SELECT id FROM firmware_package") == []


async def test_a_content_without_a_package_is_deleted_later(
    world: LedgerWorld, firmware: Api, storage: FirmwareStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: Any, **__: Any) -> None:
        raise LedgerUnavailable

    package = (await upload(firmware)).json()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "submit", unavailable)
        assert (await upload(firmware)).status_code == 503
    assert len(await keys(storage)) == 2, "it may have been committed"
    assert await storage.delete_orphans(stored_package_keys) == 0
    monkeypatch.setattr(package_store, "ORPHAN_SECONDS", -60)
    assert await storage.delete_orphans(stored_package_keys) == 1
    assert (await firmware.http.get(target(package))).content == PACKAGE


async def test_a_missing_content_is_not_found(firmware: Api, storage: FirmwareStorage) -> None:
    package = (await upload(firmware)).json()
    (key,) = await keys(storage)
    await storage.discard(key)
    assert (await firmware.http.get(target(package))).status_code == 404
    await firmware.ask(DELETE, id=package["id"])


async def test_uploads_and_downloads_are_limited(firmware: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    package = (await upload(firmware)).json()
    monkeypatch.setattr(firmware_download, "MAX_DOWNLOADS", 0)
    monkeypatch.setattr(firmware_upload, "MAX_UPLOADS", 0)
    for answer in (await firmware.http.get(target(package)), await upload(firmware)):
        assert (answer.status_code, answer.headers["retry-after"]) in {(503, "5"), (429, "5")}


async def test_without_a_store_or_an_address_the_setting_is_named(world: LedgerWorld, live: LiveLog, api: Api) -> None:
    answer = await upload(api)
    assert answer.status_code == 503
    assert "REVEILLE_FIRMWARE_STORE" in answer.json()["errors"][0]["message"]
    await world.ledgers[0].submit(CreateFirmwarePackage("n", "1", None, 3, "0" * 64, new_key(), "olga"))
    assert (await api.ask("{ firmwarePackages { uri } }"))["firmwarePackages"] == [{"uri": None}]


async def test_a_directory_must_be_usable_and_keeps_other_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_package_store(str(tmp_path / "file"))
    store = DirectoryStore(tmp_path)
    interrupted, other = tmp_path / f"{new_key()}.incomplete", tmp_path / "notes.txt"
    for path in (interrupted, other):
        path.touch()
        os.utime(path, (time.time() - 2 * package_store.ORPHAN_SECONDS,) * 2)
    storage = FirmwareStorage(store)

    async def none() -> set[str]:
        return set()

    assert await storage.delete_orphans(none) == 1
    assert (interrupted.exists(), other.exists()) == (False, True)


async def test_a_store_that_cannot_be_reached_is_reported(
    firmware: Api, storage: FirmwareStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = (await upload(firmware)).json()
    monkeypatch.setattr(type(storage.store), "write", failing_write)
    monkeypatch.setattr(type(storage.store), "read", failing_read)
    assert (await upload(firmware)).status_code == 503
    assert (await firmware.http.get(target(package))).status_code == 503


async def failing_write(*_: Any) -> bytes:
    raise StorageFailed("no")


async def failing_read(*_: Any) -> AsyncIterator[bytes]:
    yield await failing_write()
