"""Content of firmware packages in an S3-compatible store. Credentials, region and endpoint come from the environment
variables of AWS's own programs (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` ..), which obstore reads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from app.fleet.package_store import KEY, ContentMissing, StorageFailed

PART: Final = 5 * 1024 * 1024
"""Bytes of each part of an upload: S3 accepts no smaller ones. One part is held in memory while the one before it is
sent."""
CHUNK: Final = 256 * 1024
"""Bytes of one request for content: a slow device keeps no connection to the store open."""
REQUEST_SECONDS: Final = 60
RETRY_SECONDS: Final = 20
MAX_DETAIL: Final = 300
"""Maximum length of an error's text, which contains the store's response."""


class S3Store:
    """Objects named by their keys below a prefix. An upload becomes an object when all of its parts are complete."""

    def __init__(self, bucket: str, prefix: str) -> None:
        with _failures():
            self._bucket = Bucket(
                bucket,
                prefix=prefix or None,
                client_options={"timeout": timedelta(seconds=REQUEST_SECONDS), "allow_http": True},
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            )

    async def write(self, key: str, content: AsyncIterator[bytes]) -> None:
        with _failures():
            await obstore.put_async(self._bucket, key, content, chunk_size=PART, max_concurrency=1)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            try:
                with _failures():
                    stop = min(end, start + CHUNK)
                    chunk = bytes(await obstore.get_range_async(self._bucket, key, start=start, end=stop))
            except FileNotFoundError:
                raise ContentMissing from None
            if not chunk:
                raise StorageFailed("the content is shorter than the package")
            start += len(chunk)
            yield chunk

    async def delete(self, key: str) -> None:
        with _failures(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._bucket, key)

    async def stored(self) -> AsyncGenerator[tuple[str, float], None]:
        with _failures():
            async for batch in obstore.list(self._bucket):
                now = datetime.now(UTC)
                for one in batch:
                    if KEY.fullmatch(one["path"]):
                        yield one["path"], (now - one["last_modified"]).total_seconds()


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Raise an error of the store as StorageFailed."""
    try:
        yield
    except BaseError as error:
        raise StorageFailed(" ".join(str(error).split())[:MAX_DETAIL]) from error
