"""moto's S3 server in a thread of this process, on a free port of loopback."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

BUCKET: Final = "packages"


@contextlib.contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Yield the environment variables that point to a server with one empty bucket, :data:`BUCKET`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, "us-east-1")
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.stop()


def incomplete_uploads() -> list[str]:
    """Return the ids of the bucket's uploads that are neither complete nor aborted."""
    return list(s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].multiparts)
