"""Content of uploaded firmware packages: files of a directory, or objects of an S3-compatible store.

A package is stored under its key. It is complete or absent: what an interrupted upload wrote is not found under the
key, and is deleted (``docs/decisions/0032-package-contents.md``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from urllib.parse import urlsplit

import structlog

KEY: Final = re.compile(r"[0-9a-f]{32}")
CHUNK: Final = 64 * 1024
"""Maximum bytes of one read."""
ORPHAN_SECONDS: Final = 24 * 3_600
"""Age after which a content that no package has is deleted: longer than any upload, and its commit, takes."""
DISCARD_SECONDS: Final = 5.0
"""How long a caller waits for the deletion of a content."""
_INCOMPLETE: Final = ".incomplete"
"""Suffix of the files of uploads that are not complete."""

log = structlog.get_logger(__name__)


class ContentMissing(Exception):
    """No content is stored under this key."""


class StorageFailed(Exception):
    """The store cannot be reached, or cannot read or write. The message says why, without a secret."""


class PackageStore(Protocol):
    """The methods raise StorageFailed."""

    async def write(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Store a content under a key that has none. If ``content`` raises, nothing remains."""

    def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from ``start`` to ``end`` (exclusive). Raise ContentMissing."""

    async def delete(self, key: str) -> None:
        """Delete a content, if there is one."""

    def stored(self) -> AsyncGenerator[tuple[str, float], None]:
        """Yield the key of each content, and of each interrupted upload, with its age in seconds."""


@dataclass(frozen=True, slots=True)
class FirmwareStorage:
    """Where uploaded packages are stored, and how devices reach them.

    Attributes:
        store: None if REVEILLE_FIRMWARE_STORE is not set: then nothing can be uploaded.
        url: address below which devices download them, without a slash at its end (REVEILLE_FIRMWARE_URL); None if
            they cannot.
        max_size: maximum bytes of a package.
    """

    store: PackageStore | None = None
    url: str | None = None
    max_size: int = 256 * 1024 * 1024

    async def delete_orphans(self, known: Callable[[], Awaitable[Collection[str]]]) -> int:
        """Delete contents older than :data:`ORPHAN_SECONDS` whose keys are not among the known ones; return how many.

        Args:
            known: returns the keys of the packages in the list. It is called after the contents were listed.

        Raises:
            StorageFailed
        """
        if self.store is None:
            return 0
        old = {key async for key, age in self.store.stored() if age > ORPHAN_SECONDS}
        orphans = old.difference(await known()) if old else set()
        for key in orphans:
            await self.store.delete(key)
        return len(orphans)

    async def discard(self, key: str) -> None:
        """Delete the content of a package that is not in the list any more. If this fails, it is deleted later, as an
        orphan."""
        if self.store is not None:
            try:
                async with asyncio.timeout(DISCARD_SECONDS):
                    await self.store.delete(key)
            except (StorageFailed, TimeoutError) as error:
                log.warning("package_not_deleted", error=str(error))


def new_key() -> str:
    """Return the key of a new package: 128 random bits, as hex digits."""
    return secrets.token_hex(16)


def open_package_store(address: str) -> PackageStore:
    """Return the store at the address of REVEILLE_FIRMWARE_STORE: ``s3://BUCKET/PREFIX``, or the path of a directory,
    which is created.

    Raises:
        OSError: the directory cannot be created or written.
        ModuleNotFoundError: a package for S3 is not installed.
    """
    if address.startswith("s3://"):
        from app.fleet.s3_store import S3Store  # noqa: PLC0415 - an optional package

        parts = urlsplit(address)
        return S3Store(parts.netloc, parts.path.strip("/"))
    return DirectoryStore(Path(address))


class DirectoryStore:
    """Files named by their keys. A file is written under another name, synced, and renamed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"{folder}: the directory cannot be read and written")
        self._folder = folder

    async def write(self, key: str, content: AsyncIterator[bytes]) -> None:
        path, incomplete = self._folder / key, self._folder / (key + _INCOMPLETE)
        try:
            with _failures():
                file = await asyncio.to_thread(incomplete.open, "xb")
            with file:
                async for chunk in content:
                    with _failures():
                        await asyncio.to_thread(file.write, chunk)
                with _failures():
                    await asyncio.to_thread(_complete, file, path)
        finally:
            with contextlib.suppress(OSError):
                incomplete.unlink(missing_ok=True)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        try:
            with _failures():
                file = await asyncio.to_thread((self._folder / key).open, "rb")
        except StorageFailed as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise ContentMissing from None
            raise
        with file:
            with _failures():
                file.seek(start)
            while start < end:
                with _failures():
                    chunk = await asyncio.to_thread(file.read, min(CHUNK, end - start))
                if not chunk:
                    raise StorageFailed("the content is shorter than the package")
                start += len(chunk)
                yield chunk

    async def delete(self, key: str) -> None:
        with _failures():
            for name in (key, key + _INCOMPLETE):
                await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def stored(self) -> AsyncGenerator[tuple[str, float], None]:
        with _failures():
            found = await asyncio.to_thread(self._ages)
        for name, age in found:
            if KEY.fullmatch(name):
                yield name, age

    def _ages(self) -> list[tuple[str, float]]:
        found, now = [], time.time()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    found.append((entry.name.removesuffix(_INCOMPLETE), now - entry.stat().st_mtime))
        return found


def _complete(file: BinaryIO, path: Path) -> None:
    """Make a file durable, and give it its name."""
    file.flush()
    os.fsync(file.fileno())
    Path(file.name).rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Raise an error of the file system as that of a store."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(error.strerror or type(error).__name__) from error
